namespace Monosemantic.Models;

/// <summary>The shape of a decoder-only transformer, as its family read it from the model's config.</summary>
public sealed record TransformerConfig
{
    /// <summary>The family's name, such as <c>gpt2</c>.</summary>
    public required string Family { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int DModel { get; init; }

    /// <summary>Attention heads per block: the heads of the queries and of the attended values.</summary>
    public required int Heads { get; init; }

    /// <summary>Heads of the keys and values; a divisor of <see cref="Heads"/>. Head h reads key and value head h / (Heads / KeyValueHeads).</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Width of a head.</summary>
    public required int DHead { get; init; }

    /// <summary>Neurons of an MLP.</summary>
    public required int DMlp { get; init; }

    /// <summary>Number of token ids.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Longest context in tokens.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Added to the variance inside a norm.</summary>
    public required double NormEpsilon { get; init; }

    /// <summary>What the MLP's neurons compute.</summary>
    public required ActivationFunction Activation { get; init; }

    /// <summary>How each block attends.</summary>
    public required IReadOnlyList<AttentionConfig> Attention { get; init; }

    /// <summary>How the residual stream is normalised before it is read.</summary>
    public NormKind Norm { get; init; } = NormKind.Layer;

    /// <summary>Whether positions are learned vectors added to the embeddings; otherwise the attention is told of them.</summary>
    public bool LearnedPositions { get; init; }

    /// <summary>Whether attention and MLP read the same residual stream, so that there is none between them.</summary>
    public bool ParallelResidual { get; init; }

    /// <summary>Whether a second product, without activation function, multiplies each neuron.</summary>
    public bool GatedMlp { get; init; }

    /// <summary>Whether what attention and MLP add to the residual stream is normalised too.</summary>
    public bool PostNorms { get; init; }

    /// <summary>Whether queries and keys are normalised head by head before they are rotated.</summary>
    public bool QueryKeyNorms { get; init; }

    /// <summary>Whether the maps to queries, keys and values have biases.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Whether the map from the attended values has a bias.</summary>
    public bool AttentionOutputBias { get; init; }

    /// <summary>Whether the MLP's maps have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether the embedding is the unembedding too.</summary>
    public bool TiedUnembedding { get; init; }

    /// <summary>Factor on the token embeddings.</summary>
    public double EmbeddingScale { get; init; } = 1;

    /// <summary>Attention scores s become c tanh(s / c); null for none.</summary>
    public double? AttentionSoftCap { get; init; }

    /// <summary>Logits x become c tanh(x / c); null for none.</summary>
    public double? LogitSoftCap { get; init; }

    /// <summary>Whether any block rotates its queries and keys.</summary>
    public bool Rotates => Attention.Any(block => block.Rotary is not null);

    /// <summary>Whether the rotation of all positions changes when the context grows to a length, so that cached keys are no longer right.</summary>
    /// <param name="length">The new length in tokens.</param>
    internal bool ChangesWithLength(long length) => Attention.Any(block => block.Rotary?.Scaling?.ChangesAt(length) ?? false);
}

/// <summary>How one block attends.</summary>
/// <param name="Scale">Factor on the products of queries and keys, usually 1 / sqrt(d_head).</param>
/// <param name="Window">Most positions seen, the own one included; null for all up to the own one.</param>
/// <param name="Rotary">How queries and keys are rotated by their position; null for not at all.</param>
public sealed record AttentionConfig(double Scale, int? Window = null, RotaryConfig? Rotary = null);

/// <summary>Ways to normalise a vector x of the residual stream.</summary>
public enum NormKind
{
    /// <summary>(x - mean) / sqrt(variance + eps) * w + b.</summary>
    Layer,

    /// <summary>x / sqrt(mean x^2 + eps) * w.</summary>
    RootMeanSquare,

    /// <summary>x / sqrt(mean x^2 + eps) * (1 + w).</summary>
    RootMeanSquareOnePlus,
}

namespace Monosemantic.Models;

/// <summary>The shape of a decoder-only transformer, as its family read it from <c>config.json</c>.</summary>
public sealed record TransformerConfig
{
    /// <summary>The family's name, such as <c>gpt2</c>.</summary>
    public required string Family { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int DModel { get; init; }

    /// <summary>Attention heads per block.</summary>
    public required int Heads { get; init; }

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

    /// <summary>Factor on the attention scores of each block, usually 1 / sqrt(d_head).</summary>
    public required IReadOnlyList<double> AttentionScales { get; init; }
}

/// <summary>Activation functions of MLP neurons.</summary>
public enum ActivationFunction
{
    /// <summary>0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): <c>gelu_new</c>, <c>gelu_pytorch_tanh</c>.</summary>
    GeluTanh,

    /// <summary>x Phi(x), exact: <c>gelu</c>.</summary>
    Gelu,

    /// <summary>max(0, x).</summary>
    Relu,
}

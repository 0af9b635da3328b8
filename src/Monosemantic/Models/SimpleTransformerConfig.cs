namespace Monosemantic.Models;

/// <summary>The shape of a <see cref="SimpleTransformer"/>.</summary>
public sealed record SimpleTransformerConfig
{
    /// <summary>Width of embeddings and layers.</summary>
    public int DModel { get; init; } = 64;

    /// <summary>Attention heads per layer; they share <see cref="DModel"/> evenly.</summary>
    public int Heads { get; init; } = 2;

    /// <summary>Neurons of a layer's feed-forward part.</summary>
    public int FeedForward { get; init; } = 128;

    /// <summary>Encoder layers.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>Positions that have an embedding: the longest line, in characters.</summary>
    public int MaxPositions { get; init; } = 1000;

    /// <summary>Share of values set to 0 in training, at the four places of the layer.</summary>
    public double Dropout { get; init; } = 0.1;
}

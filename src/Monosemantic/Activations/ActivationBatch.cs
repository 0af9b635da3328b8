namespace Monosemantic.Activations;

/// <summary>
/// Consecutive or shuffled rows of one hook point with where each comes from. The arrays may be longer than
/// <see cref="Rows"/> asks for and may be reused by the source for its next batch: copy what has to last.
/// </summary>
public sealed class ActivationBatch
{
    /// <summary>Number of rows n.</summary>
    public required int Rows { get; init; }

    /// <summary>Width of a row, d_model.</summary>
    public required int DModel { get; init; }

    /// <summary>Activations [n, d_model], row-major.</summary>
    public required float[] Values { get; init; }

    /// <summary>Index of each row's document in its corpus [n].</summary>
    public required int[] Documents { get; init; }

    /// <summary>Index of each row's token among its document's tokens [n]; -1 for an inserted token.</summary>
    public required int[] Positions { get; init; }

    /// <summary>Each row's token id [n].</summary>
    public required int[] Tokens { get; init; }

    /// <summary>One row [d_model].</summary>
    /// <param name="row">Which, 0 to n-1.</param>
    public ReadOnlySpan<float> Row(int row) => Values.AsSpan(row * DModel, DModel);
}

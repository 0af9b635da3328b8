namespace Monosemantic.Dictionaries;

/// <summary>
/// The feature activations of n tokens, of which only the few that fire are stored (compressed sparse rows). Within a row
/// the features are in ascending order, each at most once; a stored value is never 0.
/// </summary>
public sealed class SparseCode
{
    /// <summary>Number of tokens n.</summary>
    public required int Rows { get; init; }

    /// <summary>Number of features that could fire, d_sae.</summary>
    public required int DSae { get; init; }

    /// <summary>Where each row's entries start [n + 1]; the last element is the number of entries.</summary>
    public required int[] RowOffsets { get; init; }

    /// <summary>Feature of each entry.</summary>
    public required int[] Features { get; init; }

    /// <summary>Feature activation of each entry.</summary>
    public required float[] Values { get; init; }

    /// <summary>Number of stored entries.</summary>
    public int Count => RowOffsets[Rows];

    /// <summary>The features that fire for one token.</summary>
    /// <param name="row">Which token, 0 to n-1.</param>
    public ReadOnlySpan<int> FeaturesOf(int row) => Features.AsSpan(RowOffsets[row]..RowOffsets[row + 1]);

    /// <summary>The activations of the features that fire for one token, in the order of <see cref="FeaturesOf"/>.</summary>
    /// <param name="row">Which token, 0 to n-1.</param>
    public ReadOnlySpan<float> ValuesOf(int row) => Values.AsSpan(RowOffsets[row]..RowOffsets[row + 1]);
}

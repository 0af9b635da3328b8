namespace Monosemantic.Dictionaries;

/// <summary>
/// A code turned on its side: for each feature the rows on which it fires, in ascending order, and how strongly
/// (compressed sparse columns). Gradients are summed per feature over this, so that no two workers write the same row.
/// </summary>
/// <param name="dSae">Number of features.</param>
internal sealed class FeatureEntries(int dSae)
{
    private readonly int[] ends = new int[dSae];

    /// <summary>Where each feature's entries start [d_sae + 1].</summary>
    internal int[] Offsets { get; } = new int[dSae + 1];

    /// <summary>Row of each entry.</summary>
    internal int[] Rows { get; private set; } = [];

    /// <summary>Feature activation of each entry.</summary>
    internal float[] Values { get; private set; } = [];

    /// <summary>Takes over a code, by counting sort.</summary>
    /// <param name="code">The code.</param>
    internal void Transpose(SparseCode code)
    {
        int count = code.Count;
        if (Rows.Length < count) (Rows, Values) = (new int[count], new float[count]);
        Array.Clear(Offsets);
        foreach (int feature in code.Features.AsSpan(0, count)) Offsets[feature + 1]++;
        for (int feature = 0; feature < dSae; feature++)
        {
            ends[feature] = Offsets[feature];
            Offsets[feature + 1] += Offsets[feature];
        }
        for (int row = 0; row < code.Rows; row++)
        {
            for (int at = code.RowOffsets[row]; at < code.RowOffsets[row + 1]; at++)
            {
                int place = ends[code.Features[at]]++;
                Rows[place] = row;
                Values[place] = code.Values[at];
            }
        }
    }

    /// <summary>Forgets the code: no feature has an entry.</summary>
    internal void Clear() => Array.Clear(Offsets);
}

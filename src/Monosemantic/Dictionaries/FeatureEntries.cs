namespace Monosemantic.Dictionaries;

/// <summary>
/// A code turned on its side: for each feature the rows on which it has an entry, in ascending order, and how strongly
/// (compressed sparse columns). Gradients are summed per feature over this, so that no two workers write the same row.
/// </summary>
/// <param name="dSae">Number of features.</param>
internal sealed unsafe class FeatureEntries(int dSae)
{
    private readonly int[] ends = new int[dSae];
    private int[] rows = [];
    private float[] pres = [], values = [];

    /// <summary>Where each feature's entries start [d_sae + 1].</summary>
    internal int[] Offsets { get; } = new int[dSae + 1];

    /// <summary>Row of each entry.</summary>
    internal int* Rows { get; private set; }

    /// <summary>Pre-activation of each entry.</summary>
    internal float* Pres { get; private set; }

    /// <summary>Feature activation of each entry.</summary>
    internal float* Values { get; private set; }

    /// <summary>Number of entries of a feature.</summary>
    internal int Count(int feature) => Offsets[feature + 1] - Offsets[feature];

    /// <summary>Takes over a code, by counting sort.</summary>
    /// <param name="code">The code.</param>
    /// <param name="codePres">Pre-activations of its entries; null where they are its values.</param>
    internal void Transpose(SparseCode code, float[]? codePres = null)
    {
        int count = code.Count;
        Reserve(count, codePres is not null);
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
                if (codePres is not null) Pres[place] = codePres[at];
            }
        }
    }

    private void Reserve(int count, bool hasPres)
    {
        if (rows.Length < count)
        {
            (rows, values) = (GC.AllocateUninitializedArray<int>(count + (count / 8), pinned: true), GC.AllocateUninitializedArray<float>(count + (count / 8), pinned: true));
            Rows = Address(rows);
            Values = Address(values);
        }
        if (hasPres && pres.Length < count) pres = GC.AllocateUninitializedArray<float>(count + (count / 8), pinned: true);
        Pres = hasPres ? Address(pres) : Values;
    }

    private static T* Address<T>(T[] pinned) where T : unmanaged
    {
        fixed (T* at = pinned) return at;
    }
}

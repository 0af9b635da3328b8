namespace Monosemantic.Dictionaries;

/// <summary>
/// Room for the codes of a batch, k places to a row, that workers fill side by side; then closed up to a
/// <see cref="SparseCode"/> that shares the arrays. Reused from batch to batch while training.
/// </summary>
/// <param name="rows">Most rows of a batch.</param>
/// <param name="perRow">Most entries of a row.</param>
internal sealed class CodeBuilder(int rows, int perRow)
{
    private readonly int[] offsets = new int[rows + 1];

    internal int PerRow { get; private set; } = perRow;

    internal int[] Counts { get; } = new int[rows];

    internal int[] Features { get; private set; } = new int[checked(rows * perRow)];

    internal float[] Values { get; private set; } = new float[checked(rows * perRow)];

    /// <summary>Sets the places to a row, growing the room where that is needed.</summary>
    internal void Widen(int places)
    {
        PerRow = places;
        int needed = checked(Counts.Length * places);
        if (Features.Length >= needed) return;
        (Features, Values) = (new int[needed], new float[needed]);
    }

    /// <summary>Closes the gaps. The code is valid until the builder is used again.</summary>
    /// <param name="rows">Rows filled.</param>
    /// <param name="dSae">Number of features that could fire.</param>
    internal SparseCode Close(int rows, int dSae)
    {
        for (int row = 0; row < rows; row++)
        {
            int from = row * PerRow, to = offsets[row], count = Counts[row];
            offsets[row + 1] = to + count;
            if (from == to) continue;
            Features.AsSpan(from, count).CopyTo(Features.AsSpan(to));
            Values.AsSpan(from, count).CopyTo(Values.AsSpan(to));
        }
        return new SparseCode { Rows = rows, DSae = dSae, RowOffsets = offsets, Features = Features, Values = Values };
    }
}

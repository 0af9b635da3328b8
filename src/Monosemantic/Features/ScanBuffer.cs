using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>
/// The rows that a scan is working on, by row and by unit, with as many rows before and after as a context can reach.
/// Everything is in file order, so that what is read from it does not depend on how rows arrived.
/// </summary>
internal sealed class ScanBuffer(UnitKind kind, int units)
{
    private readonly int[] starts = new int[units + 1], earlier = new int[units + 1], later = new int[units + 1];
    private int[] documents = new int[64];
    private int[] positions = new int[64];
    private int[] tokens = new int[64];
    private long[] runs = new long[64];
    private int[] offsets = new int[65];
    private Entry[] entries = new Entry[1024];
    private int[] unitRows = [];
    private int[] unitEntries = [];
    private float[] unitValues = [];
    private long run;

    /// <summary>Rows held.</summary>
    internal int Rows { get; private set; }

    /// <summary>Firings held, of all units.</summary>
    internal int Firings => offsets[Rows];

    /// <summary>Appends one row; only entries above 0 fire.</summary>
    internal void Append(ActivationBatch batch, SparseCode code, int row)
    {
        EnsureRow();
        int document = batch.Documents[row], position = batch.Positions[row];
        bool continues = Rows > 0 && documents[Rows - 1] == document && positions[Rows - 1] == position - 1;
        documents[Rows] = document;
        positions[Rows] = position;
        tokens[Rows] = batch.Tokens[row];
        runs[Rows] = continues ? run : ++run;
        offsets[Rows + 1] = AppendEntries(code, row, document, position);
        Rows++;
    }

    /// <summary>Orders the entries by unit, each unit's by row.</summary>
    internal void Transpose()
    {
        int count = offsets[Rows];
        if (unitRows.Length < count)
        {
            unitRows = new int[entries.Length];
            unitEntries = new int[entries.Length];
            unitValues = new float[entries.Length];
        }
        // Each half of the rows is counted and then placed by itself; the later half's places of a unit follow the earlier half's.
        int middle = Rows / 2;
        Parallel.Invoke(() => Count(0, middle, starts), () => Count(middle, Rows, later));
        for (int unit = 0, sum = 0; unit <= units; unit++) (starts[unit], later[unit], sum) = (sum, sum + starts[unit], sum + starts[unit] + later[unit]);
        Array.Copy(starts, earlier, starts.Length);
        Parallel.Invoke(() => Place(0, middle, earlier), () => Place(middle, Rows, later));
    }

    /// <summary>Rows at which a unit fires, ascending. Valid after <see cref="Transpose"/>.</summary>
    internal ReadOnlySpan<int> RowsOf(int unit) => unitRows.AsSpan(starts[unit]..starts[unit + 1]);

    /// <summary>The unit's activations at <see cref="RowsOf"/>.</summary>
    internal ReadOnlySpan<float> ValuesOf(int unit) => unitValues.AsSpan(starts[unit]..starts[unit + 1]);

    /// <summary>Where those firings stand among all: what fires behind the unit at the same row follows there.</summary>
    internal ReadOnlySpan<int> EntriesOf(int unit) => unitEntries.AsSpan(starts[unit]..starts[unit + 1]);

    /// <summary>Firings at a row, by ascending unit.</summary>
    internal ReadOnlySpan<Entry> EntriesAt(int row) => entries.AsSpan(offsets[row]..offsets[row + 1]);

    /// <summary>All firings, row by row.</summary>
    internal ReadOnlySpan<Entry> Entries => entries.AsSpan(0, offsets[Rows]);

    /// <summary>Where the firings of a row end.</summary>
    internal int EndOf(int row) => offsets[row + 1];

    /// <summary>Document of a row.</summary>
    internal int DocumentAt(int row) => documents[row];

    /// <summary>Position of a row in its document.</summary>
    internal int PositionAt(int row) => positions[row];

    /// <summary>Token id of a row.</summary>
    internal int TokenAt(int row) => tokens[row];

    /// <summary>Whether two rows are of one uninterrupted stretch of a document.</summary>
    internal bool SameRun(int row, int other) => runs[row] == runs[other];

    /// <summary>Copies the stretch of text around one of a unit's firings, and the unit's activation at each of its tokens.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="peak">Row of the firing.</param>
    /// <param name="options">How far the stretch reaches.</param>
    /// <param name="text">Gets the token ids.</param>
    /// <param name="activations">Gets the activations, 0 where the unit does not fire.</param>
    /// <returns>Tokens before the peak, and tokens in all.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal (int Before, int Length) CopyContext(int unit, int peak, FeatureScanOptions options, Span<int> text, Span<float> activations)
    {
        int first = peak, last = peak;
        while (first > 0 && peak - first < options.Before && SameRun(first - 1, peak)) first--;
        while (last < Rows - 1 && last - peak < options.After && SameRun(last + 1, peak)) last++;
        int length = last - first + 1;
        tokens.AsSpan(first, length).CopyTo(text);
        activations[..length].Clear();
        ReadOnlySpan<int> rows = RowsOf(unit);
        ReadOnlySpan<float> values = ValuesOf(unit);
        int at = rows.BinarySearch(first);
        for (int i = at < 0 ? ~at : at; i < rows.Length && rows[i] <= last; i++) activations[rows[i] - first] = values[i];
        return (peak - first, length);
    }

    /// <summary>The tokens that tell whether the text around a row is that of another context.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal ReadOnlySpan<int> KeyAt(int row, FeatureScanOptions options)
    {
        int first = row, last = row, before = Math.Min(options.Before, options.SameTextBefore), after = Math.Min(options.After, options.SameTextAfter);
        while (first > 0 && row - first < before && SameRun(first - 1, row)) first--;
        while (last < Rows - 1 && last - row < after && SameRun(last + 1, row)) last++;
        return tokens.AsSpan(first..(last + 1));
    }

    /// <summary>Forgets the first rows.</summary>
    internal void Drop(int count)
    {
        int dropped = offsets[count];
        Array.Copy(entries, dropped, entries, 0, offsets[Rows] - dropped);
        for (int row = count; row <= Rows; row++) offsets[row - count] = offsets[row] - dropped;
        foreach (Array column in new Array[] { documents, positions, tokens, runs }) Array.Copy(column, count, column, 0, Rows - count);
        Rows -= count;
    }

    internal void Save(BinaryWriter state)
    {
        state.Write(Rows);
        state.Write(run);
        foreach (int[] column in new[] { documents, positions, tokens }) state.WriteAll(column.AsSpan(0, Rows));
        state.WriteAll(runs.AsSpan(0, Rows));
        state.WriteAll(offsets.AsSpan(0, Rows + 1));
        state.WriteAll(Entries);
    }

    internal void Load(BinaryReader state)
    {
        Rows = state.ReadInt32();
        run = state.ReadInt64();
        documents = state.ReadAll<int>();
        positions = state.ReadAll<int>();
        tokens = state.ReadAll<int>();
        runs = state.ReadAll<long>();
        offsets = state.ReadAll<int>();
        entries = state.ReadAll<Entry>();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Count(int first, int last, int[] counts)
    {
        Array.Clear(counts);
        foreach (ref readonly Entry entry in entries.AsSpan(offsets[first]..offsets[last])) counts[entry.Unit]++;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Place(int first, int last, int[] next)
    {
        for (int row = first; row < last; row++)
        {
            for (int entry = offsets[row]; entry < offsets[row + 1]; entry++)
            {
                int at = next[entries[entry].Unit]++;
                unitRows[at] = row;
                unitEntries[at] = entry;
                unitValues[at] = entries[entry].Value;
            }
        }
    }

    private int AppendEntries(SparseCode code, int row, int document, int position)
    {
        ReadOnlySpan<int> fired = code.FeaturesOf(row);
        ReadOnlySpan<float> values = code.ValuesOf(row);
        int count = offsets[Rows];
        if (count + fired.Length > entries.Length) Array.Resize(ref entries, (count + fired.Length) * 2);
        for (int i = 0; i < fired.Length; i++)
        {
            if (!float.IsFinite(values[i])) throw NotFinite(fired[i], values[i], document, position);
            if (values[i] <= 0) continue;
            entries[count++] = new(fired[i], values[i]);
        }
        return count;
    }

    private UserErrorException NotFinite(int unit, float value, int document, int position) => new(
        $"{kind.ToString().ToLowerInvariant()} {unit} has activation {value} at document {document}, position {position}; it must be finite",
        "check the dictionary and the activations for values that are not finite");

    private void EnsureRow()
    {
        if (Rows < documents.Length) return;
        int size = Math.Max(64, Rows * 2);
        Array.Resize(ref documents, size);
        Array.Resize(ref positions, size);
        Array.Resize(ref tokens, size);
        Array.Resize(ref runs, size);
        Array.Resize(ref offsets, size + 1);
    }

    /// <summary>A firing. Unit and activation lie side by side, since whoever reads the one reads the other.</summary>
    internal readonly record struct Entry(int Unit, float Value);
}

using System.Collections.Immutable;
using Monosemantic.Runtime;
using Parquet;
using Parquet.Data;
using Parquet.Schema;

namespace Monosemantic.Activations.Foreign;

/// <summary>
/// Activations and ids in a Parquet file: a column of lists of one length, or one column for each dimension; ids are columns of
/// whole numbers. One row group is in memory at a time.
/// </summary>
internal sealed class ParquetColumns : IForeignFile
{
    // Names the columns together where each is one dimension.
    private const string EachDimension = "*";
    private readonly FileStream stream;
    private readonly ParquetReader reader;
    private readonly Dictionary<string, DataField> ids = new(StringComparer.Ordinal), lists = new(StringComparer.Ordinal);
    private readonly DataField[] dimensions;
    private readonly long[] starts;
    private readonly Dictionary<string, (int Group, long[] Values)> idsOfGroup = new(StringComparer.Ordinal);
    private int groupOfValues = -1, width;
    private float[] values = [];

    private ParquetColumns(FileStream stream, ParquetReader reader)
    {
        (this.stream, this.reader) = (stream, reader);
        starts = new long[reader.RowGroupCount + 1];
        for (int group = 0; group < reader.RowGroupCount; group++) starts[group + 1] = starts[group] + reader.RowGroups[group].RowCount;
        DataField[] fields = reader.Schema.DataFields;
        foreach (DataField field in fields.Where(field => field.MaxRepetitionLevel == 0 && IsWhole(field))) ids[NameOf(field)] = field;
        foreach (DataField field in fields.Where(field => field.MaxRepetitionLevel == 1 && IsFloating(field))) lists[NameOf(field)] = field;
        dimensions = [.. fields.Where(field => field.MaxRepetitionLevel == 0 && IsFloating(field))];
    }

    public string Path => stream.Name;

    public ImmutableArray<string> Activations => lists.Count > 0 ? [.. lists.Keys] : dimensions.Length > 0 ? [EachDimension] : [];

    public ImmutableArray<string> Ids => [.. ids.Keys];

    private long Rows => starts[^1];

    /// <summary>Opens a file.</summary>
    /// <exception cref="UserErrorException">It cannot be read as Parquet.</exception>
    public static ParquetColumns Open(string path)
    {
        FileStream stream = File.OpenRead(path);
        try
        {
            return new ParquetColumns(stream, Guard(path, () => ParquetReader.CreateAsync(stream)));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    public ForeignShape ShapeOf(string activations, bool heads)
    {
        if (heads) throw new UserErrorException($"{Path} is a Parquet file, which does not say what the heads of a row are", "leave --heads out, or save the activations as safetensors or .npy");
        if (!Activations.Contains(activations)) throw new UserErrorException($"{Path} has no column of activations named {Printable.Of(activations)}", Activations.Length == 0 ? "it needs a column of lists of floating-point numbers, or one such column for each dimension" : $"it has {string.Join(", ", Activations.Take(8).Select(Printable.Of))}");
        if (Rows == 0) throw new UserErrorException($"{Path} holds no row", "check how it was written");
        Load(activations, Array.FindIndex(starts, start => start > 0) - 1);
        DataField field = activations == EachDimension ? dimensions[0] : lists[activations];
        return new(Rows, width, null, null, ClrOf(field) == typeof(Half) ? StoreDtype.F16 : StoreDtype.F32);
    }

    public long CountOf(string ids) => Rows;

    public void ReadRows(string activations, long first, Span<float> rows)
    {
        for (int count; !rows.IsEmpty; rows = rows[(count * width)..], first += count)
        {
            int group = GroupOf(first);
            Load(activations, group);
            count = (int)Math.Min(rows.Length / width, starts[group + 1] - first);
            values.AsSpan((int)(first - starts[group]) * width, count * width).CopyTo(rows);
        }
    }

    public void ReadIds(string ids, long first, Span<long> values)
    {
        for (int count; !values.IsEmpty; values = values[count..], first += count)
        {
            int group = GroupOf(first);
            if (!idsOfGroup.TryGetValue(ids, out (int Group, long[] Values) held) || held.Group != group) idsOfGroup[ids] = held = (group, Whole(this.ids[ids], group));
            count = (int)Math.Min(values.Length, starts[group + 1] - first);
            held.Values.AsSpan((int)(first - starts[group]), count).CopyTo(values);
        }
    }

    public void Dispose()
    {
        reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        stream.Dispose();
    }

    private int GroupOf(long row)
    {
        int found = Array.BinarySearch(starts, row);
        if (found < 0) return ~found - 1;
        // A group without a row begins where the next one does.
        while (found + 1 < starts.Length && starts[found + 1] == row) found++;
        return found;
    }

    private void Load(string activations, int group)
    {
        if (group == groupOfValues) return;
        groupOfValues = -1;
        int rows = checked((int)(starts[group + 1] - starts[group]));
        if ((long)rows * Math.Max(1, width) > Array.MaxLength) throw new UserErrorException($"{Path}: row group {group} has {rows:N0} rows, too many to be in memory at once", "write the file again with row groups of at most some 100,000 rows");
        values = activations == EachDimension ? FromDimensions(group, rows) : FromLists(lists[activations], group, rows);
        groupOfValues = group;
    }

    private float[] FromDimensions(int group, int rows)
    {
        width = dimensions.Length;
        var result = new float[(long)rows * width];
        for (int i = 0; i < width; i++)
        {
            (float[] column, _, int[] depths) = Floats(dimensions[i], group);
            if (column.Length != rows || IsAnyMissing(dimensions[i], depths)) throw Missing(dimensions[i], group);
            for (int row = 0; row < rows; row++) result[(row * width) + i] = column[row];
        }
        return result;
    }

    private float[] FromLists(DataField field, int group, int rows)
    {
        (float[] numbers, int[] continues, int[] depths) = Floats(field, group);
        if (IsAnyMissing(field, depths)) throw Missing(field, group);
        if (width == 0) width = Array.IndexOf(continues, 0, 1) is var next and > 0 ? next : numbers.Length;
        int row = -1, length = width;
        for (int i = 0; i <= continues.Length; i++, length++)
        {
            if (i < continues.Length && continues[i] != 0) continue;
            if (length != width) throw new UserErrorException($"{Path}: row {starts[group] + row:N0} of column {NameOf(field)} has {length:N0} numbers, and those before it {width:N0}", "rows must be of one length");
            row++;
            length = 0;
        }
        return row == rows ? numbers : throw Missing(field, group);
    }

    private UserErrorException Missing(DataField field, int group) =>
        new($"{Path}: column {NameOf(field)} has an empty row or a missing number in rows {starts[group]:N0} to {starts[group + 1] - 1:N0}", "write the file again without them");

    private (float[] Numbers, int[] Continues, int[] Depths) Floats(DataField field, int group) =>
        ClrOf(field) == typeof(float) ? Raw(field, group, (float number) => number)
        : ClrOf(field) == typeof(Half) ? Raw(field, group, (Half number) => (float)number)
        : Raw(field, group, (double number) => (float)number);

    private long[] Whole(DataField field, int group)
    {
        (long[] numbers, _, int[] depths) = Type.GetTypeCode(ClrOf(field)) switch
        {
            TypeCode.Int64 => Raw(field, group, (long number) => number),
            TypeCode.UInt64 => Raw(field, group, (ulong number) => (long)Math.Min(number, long.MaxValue)),
            TypeCode.Int32 => Raw(field, group, (int number) => (long)number),
            TypeCode.UInt32 => Raw(field, group, (uint number) => (long)number),
            TypeCode.Int16 => Raw(field, group, (short number) => (long)number),
            TypeCode.UInt16 => Raw(field, group, (ushort number) => (long)number),
            TypeCode.SByte => Raw(field, group, (sbyte number) => (long)number),
            TypeCode.Boolean => Raw(field, group, (bool value) => value ? 1L : 0),
            _ => Raw(field, group, (byte number) => (long)number),
        };
        if (!IsAnyMissing(field, depths)) return numbers;
        int next = 0;
        return [.. depths.Select(depth => depth == field.MaxDefinitionLevel ? numbers[next++] : -1)];
    }

    private (TOut[] Numbers, int[] Continues, int[] Depths) Raw<TIn, TOut>(DataField field, int group, Func<TIn, TOut> convert)
        where TIn : struct => Guard(Path, async () =>
        {
            using ParquetRowGroupReader rows = reader.OpenRowGroupReader(group);
            using var data = (RawColumnData<TIn>)await rows.ReadRawColumnDataBaseAsync(field);
            var numbers = new TOut[data.Values.Length];
            for (int i = 0; i < numbers.Length; i++) numbers[i] = convert(data.Values[i]);
            return (numbers, field.MaxRepetitionLevel > 0 ? data.RepetitionLevels.ToArray() : [], field.MaxDefinitionLevel > 0 ? data.DefinitionLevels.ToArray() : []);
        });

    private static T Guard<T>(string path, Func<Task<T>> read)
    {
        try
        {
            return Task.Run(read).GetAwaiter().GetResult();
        }
        catch (Exception failure) when (failure is not (UserErrorException or OutOfMemoryException))
        {
            // The Parquet reader throws whatever its decoder trips over.
            throw new UserErrorException($"{path} cannot be read as Parquet: {failure.Message}", "copy or write the file again", failure);
        }
    }

    private static bool IsAnyMissing(DataField field, int[] depths) => depths.AsSpan().ContainsAnyExcept(field.MaxDefinitionLevel);

    private static string NameOf(DataField field) => field.Path.FirstPart!;

    private static Type ClrOf(DataField field) => Nullable.GetUnderlyingType(field.ClrType) ?? field.ClrType;

    private static bool IsFloating(DataField field) => ClrOf(field) == typeof(float) || ClrOf(field) == typeof(double) || ClrOf(field) == typeof(Half);

    private static bool IsWhole(DataField field) => Type.GetTypeCode(ClrOf(field)) is >= TypeCode.Boolean and <= TypeCode.UInt64 and not TypeCode.Char;
}

using Monosemantic.Runtime;
using Parquet;
using Parquet.Schema;

namespace Monosemantic.Features;

/// <summary>Columns of a Parquet file, read by name.</summary>
internal sealed class ParquetColumns
{
    private readonly string path;

    internal ParquetColumns(string folder, string name) => path = Path.Combine(folder, name);

    private delegate ValueTask ReadInto<T>(ParquetRowGroupReader group, DataField field, Memory<T> into);

    internal T[] Read<T>(string column)
        where T : struct => Read<T>(column, null, static (group, field, into) => group.ReadAsync<T>(field, into));

    internal T?[] ReadNullable<T>(string column)
        where T : struct => Read<T?>(column, null, static (group, field, into) => group.ReadAsync<T>(field, into));

    internal string[] ReadText(string column) =>
        [.. Read<string?>(column, null, static (group, field, into) => group.ReadAsync(field, into)).Select(text => text ?? "")];

    /// <summary>The elements of a column of lists, one list after the other.</summary>
    /// <param name="column">The column's name.</param>
    /// <param name="lengths">Length of each row's list.</param>
    internal T[] ReadLists<T>(string column, int[] lengths)
        where T : struct =>
        Read<T>($"{column}/list/element", lengths, static (group, field, into) =>
            group.ReadRawAsync<T>(field, into, new Memory<int>(new int[into.Length]), new Memory<int>(new int[into.Length])));

    private T[] Read<T>(string column, int[]? lengths, ReadInto<T> read) => ReadAsync(column, lengths, read).GetAwaiter().GetResult();

    private async Task<T[]> ReadAsync<T>(string column, int[]? lengths, ReadInto<T> read)
    {
        await using ParquetReader reader = await ParquetReader.CreateAsync(path).ConfigureAwait(false);
        DataField field = reader.Schema.DataFields.FirstOrDefault(field => field.Path.ToString() == column)
            ?? throw new UserErrorException($"{path} has no column {column}", "it is not an index of this version; scan again");
        var values = new List<T>();
        int row = 0;
        for (int i = 0; i < reader.RowGroupCount; i++)
        {
            using ParquetRowGroupReader group = reader.OpenRowGroupReader(i);
            int rows = (int)group.RowCount;
            var part = new T[lengths is null ? rows : lengths.AsSpan(row, rows).ToArray().Sum()];
            await read(group, field, part).ConfigureAwait(false);
            values.AddRange(part);
            row += rows;
        }
        return [.. values];
    }
}

using System.IO.Compression;
using Monosemantic.Runtime;
using Parquet;
using Parquet.Schema;

namespace Monosemantic.Activations;

/// <summary>Where consecutive rows come from, and the Parquet file that keeps it (about 2 bytes a row).</summary>
internal sealed class RowOrigins(int rows)
{
    private static readonly ParquetSchema Schema = new(new DataField<int>("document"), new DataField<int>("position"), new DataField<int>("token"));

    /// <summary>Index of each row's document [n].</summary>
    public int[] Documents { get; } = new int[rows];

    /// <summary>Index of each row's token in its document [n].</summary>
    public int[] Positions { get; } = new int[rows];

    /// <summary>Each row's token id [n].</summary>
    public int[] Tokens { get; } = new int[rows];

    private int[][] Columns => [Documents, Positions, Tokens];

    /// <summary>Writes the first rows to a Parquet file; the same rows make the same bytes.</summary>
    public void Write(string path, int count) => AtomicFile.Write(path, stream => Task.Run(() => WriteAsync(stream, count)).GetAwaiter().GetResult());

    /// <summary>Reads a file that must hold a given number of rows into these arrays, from an index on.</summary>
    /// <exception cref="UserErrorException">The file cannot be read or holds something else.</exception>
    public void Read(string path, int count, int at = 0)
    {
        try
        {
            Task.Run(() => ReadAsync(path, count, at)).GetAwaiter().GetResult();
        }
        catch (Exception failure) when (failure is not (UserErrorException or OutOfMemoryException))
        {
            // The Parquet reader throws whatever its decoder trips over.
            throw new UserErrorException($"{path} cannot be read as Parquet: {failure.Message}", "copy the store again, or extract it again", failure);
        }
    }

    private async Task WriteAsync(Stream stream, int count)
    {
        // The level matters: Parquet.Net's default one for zstd is 25 times slower.
        var options = new ParquetOptions { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = CompressionLevel.Fastest };
        using var memory = new MemoryStream();
        await using (ParquetWriter writer = await ParquetWriter.CreateAsync(Schema, memory, options))
        {
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            for (int i = 0; i < Columns.Length; i++) await group.WriteAsync<int>(Schema.DataFields[i], Columns[i].AsMemory(0, count));
            group.CompleteValidate();
        }
        memory.WriteTo(stream);
    }

    private async Task ReadAsync(string path, int count, int at)
    {
        using var memory = new MemoryStream(await File.ReadAllBytesAsync(path));
        await using ParquetReader reader = await ParquetReader.CreateAsync(memory);
        using ParquetRowGroupReader group = reader.OpenRowGroupReader(0);
        if (reader.RowGroupCount != 1 || group.RowCount != count) throw new InvalidDataException($"it holds {group.RowCount:N0} rows, not {count:N0}");
        for (int i = 0; i < Columns.Length; i++) await group.ReadAsync<int>(Schema.DataFields[i], Columns[i].AsMemory(at, count));
    }
}

using System.IO.Compression;
using Monosemantic.Runtime;
using Parquet;
using Parquet.Schema;

namespace Monosemantic.Activations;

/// <summary>Where rows come from: three numbers for each.</summary>
internal sealed class RowOrigins
{
    private RowOrigins(int[] documents, int[] positions, int[] tokens) => (Documents, Positions, Tokens) = (documents, positions, tokens);

    public RowOrigins(int rows)
        : this(new int[rows], new int[rows], new int[rows])
    {
    }

    /// <summary>Index of each row's document [n].</summary>
    public int[] Documents { get; }

    /// <summary>Index of each row's token in its document [n]; -1 for an inserted token.</summary>
    public int[] Positions { get; }

    /// <summary>Each row's token id [n]; -1 where it is not known.</summary>
    public int[] Tokens { get; }

    internal int[][] Columns => [Documents, Positions, Tokens];

    /// <summary>The origins that three lists hold.</summary>
    public static RowOrigins Of(List<int> documents, List<int> positions, List<int> tokens) => new([.. documents], [.. positions], [.. tokens]);

    /// <summary>Copies consecutive rows from elsewhere.</summary>
    public void Set(int at, RowOrigins from, int first, int count)
    {
        for (int i = 0; i < Columns.Length; i++) from.Columns[i].AsSpan(first, count).CopyTo(Columns[i].AsSpan(at));
    }

    /// <summary>Copies one row from elsewhere.</summary>
    public void Set(int at, RowOrigins from, int row) =>
        (Documents[at], Positions[at], Tokens[at]) = (from.Documents[row], from.Positions[row], from.Tokens[row]);
}

/// <summary>Origins of rows that come one after the other, in memory that is used again.</summary>
internal sealed class OriginBuffer
{
    /// <summary>The origins; only the first of them are meant.</summary>
    public RowOrigins Origins { get; private set; } = new(0);

    /// <summary>Number of rows.</summary>
    public int Count { get; private set; }

    /// <summary>Adds rows.</summary>
    public void Add(ReadOnlySpan<int> documents, ReadOnlySpan<int> positions, ReadOnlySpan<int> tokens)
    {
        int end = Count + documents.Length;
        if (end > Origins.Tokens.Length)
        {
            var larger = new RowOrigins(Math.Max(end, 2 * Origins.Tokens.Length));
            larger.Set(0, Origins, 0, Count);
            Origins = larger;
        }
        documents.CopyTo(Origins.Documents.AsSpan(Count));
        positions.CopyTo(Origins.Positions.AsSpan(Count));
        tokens.CopyTo(Origins.Tokens.AsSpan(Count));
        Count = end;
    }

    /// <summary>Forgets the rows.</summary>
    public void Clear() => Count = 0;
}

/// <summary>The Parquet file that keeps the origins of a shard's rows (about 2 bytes a row), one row group for each block.</summary>
internal static class OriginsFile
{
    private static readonly ParquetSchema Schema = new(new DataField<int>("document"), new DataField<int>("position"), new DataField<int>("token"));

    /// <summary>Writes rows; the same rows in the same blocks make the same bytes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="origins">The rows, and perhaps more behind them.</param>
    /// <param name="blocks">Rows of each block.</param>
    /// <param name="memory">Memory to use again; what it holds is lost.</param>
    public static void Write(string path, RowOrigins origins, IReadOnlyList<int> blocks, MemoryStream memory)
    {
        memory.SetLength(0);
        Task.Run(() => WriteAsync(memory, origins, blocks)).GetAwaiter().GetResult();
        AtomicFile.Write(path, memory.WriteTo);
    }

    /// <summary>The size of the file that rows make.</summary>
    public static long Size(RowOrigins origins, IReadOnlyList<int> blocks)
    {
        using var memory = new MemoryStream();
        Task.Run(() => WriteAsync(memory, origins, blocks)).GetAwaiter().GetResult();
        return memory.Length;
    }

    /// <summary>Reads consecutive rows.</summary>
    /// <param name="path">The file.</param>
    /// <param name="blocks">The blocks that it must hold.</param>
    /// <param name="first">The first row to read.</param>
    /// <param name="count">Number of rows to read.</param>
    /// <exception cref="UserErrorException">The file cannot be read or holds something else.</exception>
    public static RowOrigins Read(string path, IReadOnlyList<int> blocks, int first, int count)
    {
        try
        {
            return Task.Run(() => ReadAsync(path, blocks, first, count)).GetAwaiter().GetResult();
        }
        catch (Exception failure) when (failure is not (UserErrorException or OutOfMemoryException))
        {
            // The Parquet reader throws whatever its decoder trips over.
            throw new UserErrorException($"{path} cannot be read as Parquet: {failure.Message}", "copy the store again, or extract it again", failure);
        }
    }

    private static async Task WriteAsync(MemoryStream memory, RowOrigins origins, IReadOnlyList<int> blocks)
    {
        // The level matters: Parquet.Net's default one for zstd is 25 times slower.
        var options = new ParquetOptions { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = CompressionLevel.Fastest };
        await using ParquetWriter writer = await ParquetWriter.CreateAsync(Schema, memory, options);
        int at = 0;
        foreach (int rows in blocks)
        {
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            for (int i = 0; i < Schema.DataFields.Length; i++) await group.WriteAsync<int>(Schema.DataFields[i], origins.Columns[i].AsMemory(at, rows));
            group.CompleteValidate();
            at += rows;
        }
    }

    private static async Task<RowOrigins> ReadAsync(string path, IReadOnlyList<int> blocks, int first, int count)
    {
        var result = new RowOrigins(count);
        using FileStream stream = File.OpenRead(path);
        await using ParquetReader reader = await ParquetReader.CreateAsync(stream);
        if (reader.RowGroupCount != blocks.Count) throw new InvalidDataException($"it holds {reader.RowGroupCount} row groups, not {blocks.Count}");
        for (int block = 0, start = 0; block < blocks.Count && start < first + count; start += blocks[block++])
        {
            int end = start + blocks[block], from = Math.Max(first, start), to = Math.Min(first + count, end);
            if (from >= to) continue;
            using ParquetRowGroupReader group = reader.OpenRowGroupReader(block);
            if (group.RowCount != blocks[block]) throw new InvalidDataException($"its row group {block} holds {group.RowCount:N0} rows, not {blocks[block]:N0}");
            var rows = new RowOrigins(blocks[block]);
            for (int i = 0; i < Schema.DataFields.Length; i++) await group.ReadAsync<int>(Schema.DataFields[i], rows.Columns[i]);
            result.Set(from - first, rows, from - start, to - from);
        }
        return result;
    }
}

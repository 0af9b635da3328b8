using System.Collections.Immutable;
using System.IO.Compression;
using Monosemantic.Runtime;
using Monosemantic.Text;
using Parquet;
using Parquet.Schema;

namespace Monosemantic.Activations;

/// <summary>The Parquet file that says what each token reads like: column text, by token id.</summary>
internal static class TokenTextsFile
{
    private static readonly ParquetSchema Schema = new(new DataField<string>("text"));

    /// <summary>Writes the texts; the same texts make the same bytes.</summary>
    public static void Write(string path, IReadOnlyList<string> texts) =>
        AtomicFile.Write(path, stream => Task.Run(() => WriteAsync(stream, texts)).GetAwaiter().GetResult());

    /// <summary>The size of the file that texts make.</summary>
    public static long Size(IReadOnlyList<string> texts)
    {
        using var memory = new MemoryStream();
        Task.Run(() => WriteAsync(memory, texts)).GetAwaiter().GetResult();
        return memory.Length;
    }

    /// <summary>Reads the texts.</summary>
    /// <exception cref="UserErrorException">The file cannot be read.</exception>
    public static ImmutableArray<string> Read(string path)
    {
        try
        {
            return Task.Run(() => ReadAsync(path)).GetAwaiter().GetResult();
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            throw new UserErrorException($"{path} cannot be read as Parquet: {failure.Message}", "copy the store again, or extract it again", failure);
        }
    }

    /// <summary>What each token of a tokenizer reads like, by its id.</summary>
    public static ImmutableArray<string> TextsOf(Tokenizer tokenizer) => [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(token => Shown(tokenizer, token))];

    // A vocabulary may have holes: ids below the highest that no token has.
    private static string Shown(Tokenizer tokenizer, int token)
    {
        try
        {
            return tokenizer.Display(token);
        }
        catch (UserErrorException)
        {
            return "";
        }
    }

    private static async Task WriteAsync(Stream stream, IReadOnlyList<string> texts)
    {
        var options = new ParquetOptions { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = CompressionLevel.Fastest };
        using var memory = new MemoryStream();
        await using (ParquetWriter writer = await ParquetWriter.CreateAsync(Schema, memory, options))
        {
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            await group.WriteAsync(Schema.DataFields[0], texts.ToArray());
            group.CompleteValidate();
        }
        memory.WriteTo(stream);
    }

    private static async Task<ImmutableArray<string>> ReadAsync(string path)
    {
        using FileStream stream = File.OpenRead(path);
        await using ParquetReader reader = await ParquetReader.CreateAsync(stream);
        using ParquetRowGroupReader group = reader.OpenRowGroupReader(0);
        var texts = new string?[group.RowCount];
        await group.ReadAsync(Schema.DataFields[0], texts);
        return [.. texts.Select(text => text ?? "")];
    }
}

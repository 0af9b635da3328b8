using Monosemantic.Runtime;

namespace Monosemantic.Activations.Foreign;

/// <summary>The rows of one foreign file with what is known of each.</summary>
internal sealed class ForeignRows : IDisposable
{
    private static readonly string[] TokenNames = ["token_ids", "tokens", "input_ids", "token_id", "token", "ids"];
    private static readonly string[] DocumentNames = ["documents", "document", "document_ids", "document_id", "doc_ids", "doc_id", "docs", "doc"];
    private static readonly string[] PositionNames = ["positions", "position", "position_ids", "token_positions", "pos"];
    private static readonly string[] MaskNames = ["attention_mask", "mask"];
    private readonly IForeignFile file;
    private readonly int documentRows;
    private readonly ForeignColumn? tokens, documents, positions, mask;

    /// <summary>Opens one of the files of the settings.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="path">The file.</param>
    /// <param name="index">Its number among the files.</param>
    /// <exception cref="UserErrorException">It cannot be read, or does not hold what the settings say.</exception>
    public ForeignRows(ImportConfig config, string path, int index)
    {
        file = ForeignFile.Open(path);
        try
        {
            Name = config.Tensor ?? OnlyOne();
            Shape = file.ShapeOf(Name, config.Heads);
            documentRows = Shape.DocumentRows ?? config.DocumentRows;
            tokens = ForeignColumn.Find("--token-ids", At(config.TokenIds, index), TokenNames, file, Shape);
            documents = ForeignColumn.Find("--documents", At(config.Documents, index), DocumentNames, file, Shape);
            positions = ForeignColumn.Find("--positions", At(config.Positions, index), PositionNames, file, Shape);
            mask = ForeignColumn.Find("--mask", At(config.Mask, index), MaskNames, file, Shape);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file.</summary>
    public string Path => file.Path;

    /// <summary>The tensor or column of the activations.</summary>
    public string Name { get; }

    /// <summary>What the activations look like.</summary>
    public ForeignShape Shape { get; }

    /// <summary>Whether the file says which document each row is of.</summary>
    public bool KnowsDocuments => documents is not null;

    /// <summary>Number of documents where the file does not say.</summary>
    public long CountedDocuments => (Shape.Rows + documentRows - 1) / documentRows;

    /// <summary>Tokens of the longest document, where the file is laid out by documents.</summary>
    public int? DocumentLength => Shape.DocumentRows;

    /// <summary>Documents of consecutive rows: as the file says, or counted from 0.</summary>
    public void ReadDocuments(long first, Span<long> values)
    {
        if (documents is null)
        {
            for (int row = 0; row < values.Length; row++) values[row] = (first + row) / documentRows;
            return;
        }
        documents.Read(first, values);
        foreach (long value in values) if (value is < 0 or >= int.MaxValue) throw new UserErrorException($"{documents} says document {value} of a row; documents are 0..{int.MaxValue - 1:N0}", $"number the documents from 0, or say --documents {ImportConfig.None}");
    }

    /// <summary>Token ids of consecutive rows; -1 where they are not known.</summary>
    public void ReadTokens(long first, Span<long> values)
    {
        if (tokens is null) values.Fill(-1);
        else tokens.Read(first, values);
        foreach (long value in values) if (value is < -1 or > int.MaxValue) throw new UserErrorException($"{tokens} says token {value} of a row; token ids are 0..{int.MaxValue:N0}, or -1 where one is not known", $"correct them, or say --token-ids {ImportConfig.None}");
    }

    /// <summary>Positions of consecutive rows; false where the file does not say.</summary>
    public bool ReadPositions(long first, Span<long> values)
    {
        if (positions is null) return false;
        positions.Read(first, values);
        foreach (long value in values) if (value is < -1 or > int.MaxValue) throw new UserErrorException($"{positions} says position {value} of a row; positions are 0..{int.MaxValue:N0}, or -1 for an inserted token", $"correct them, or say --positions {ImportConfig.None}");
        return true;
    }

    /// <summary>0 where a row is padding, of consecutive rows.</summary>
    public void ReadMask(long first, Span<long> values)
    {
        if (mask is null) values.Fill(1);
        else mask.Read(first, values);
    }

    /// <summary>Consecutive rows [n, d_model].</summary>
    public void ReadValues(long first, Span<float> rows) => file.ReadRows(Name, first, rows);

    public void Dispose()
    {
        foreach (ForeignColumn? column in new[] { tokens, documents, positions, mask }) column?.Dispose();
        file.Dispose();
    }

    private string OnlyOne()
    {
        if (file.Activations is [var only]) return only;
        if (file.Activations.Contains(StoreFolder.TensorName)) return StoreFolder.TensorName;
        throw file.Activations.IsEmpty
            ? new UserErrorException($"{Path} holds nothing that could be activations", "tensors must be F32, F16, BF16 or F64 of two to four dimensions; Parquet needs a column of lists of floating-point numbers, or one for each dimension")
            : new UserErrorException($"{Path} holds several tensors that could be activations: {string.Join(", ", file.Activations.Take(8).Select(Printable.Of))}{(file.Activations.Length > 8 ? ", ..." : "")}", "choose one with --tensor");
    }

    // One name stands for all files; else there is one for each.
    private static string? At(IReadOnlyList<string> given, int index) => given.Count == 0 ? null : given.Count == 1 ? given[0] : given[index];
}

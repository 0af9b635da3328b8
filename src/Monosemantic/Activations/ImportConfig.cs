using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>Which foreign activations to import, and what is known of them: a run's settings as they stand in the manifest.</summary>
/// <remarks>
/// Ids (of tokens, documents, positions, and the mask) are each given by the name of a tensor or column in the file of the
/// activations, or as files of their own, one for each file of activations. Where nothing is given, usual names are looked for
/// (<c>token_ids</c>, <c>tokens</c>, <c>input_ids</c>, <c>documents</c>, <c>positions</c>, <c>attention_mask</c>, ...);
/// <c>none</c> says that there are none.
/// </remarks>
public sealed record ImportConfig
{
    /// <summary>The word that says that something is not to be looked for.</summary>
    public const string None = "none";

    /// <summary>
    /// The files, in the order of their rows: safetensors, <c>.npy</c>, <c>.npz</c>, PyTorch or Parquet, told apart by content; a
    /// folder stands for the files of these kinds in it, in ordinal order. Tensors are [n, d_model], [documents, tokens, d_model] or
    /// [documents, tokens, heads, d_head]; Parquet has a column of lists, or one column of numbers for each dimension. No default.
    /// </summary>
    public required ImmutableArray<string> Files { get; init; }

    /// <summary>The tensor or column that holds the activations; null (the default) for the only one that can be.</summary>
    public string? Tensor { get; init; }

    /// <summary>Whether the last two dimensions of a tensor are heads and the numbers of one head. Default false; four dimensions always are.</summary>
    public bool Heads { get; init; }

    /// <summary>Each row's token id. Default: by a usual name, or not known.</summary>
    public ImmutableArray<string> TokenIds { get; init; } = [];

    /// <summary>Each row's document, from 0. Default: by a usual name, or the first dimension of a tensor of three or four, or every <see cref="DocumentRows"/> rows.</summary>
    public ImmutableArray<string> Documents { get; init; } = [];

    /// <summary>Index of each row's token in its document. Default: by a usual name, or counted.</summary>
    public ImmutableArray<string> Positions { get; init; } = [];

    /// <summary>0 where a row is padding and is left out. Default: by a usual name, or no padding.</summary>
    public ImmutableArray<string> Mask { get; init; } = [];

    /// <summary>Rows that count as one document where nothing says otherwise: whole documents are held out. Default 128.</summary>
    public int DocumentRows { get; init; } = 128;

    /// <summary>The model that the activations are of: its folder, or just its name. Default <c>unknown</c>.</summary>
    public string Model { get; init; } = "unknown";

    /// <summary>The tokenizer of the token ids, a folder or file; null (the default) for that of the model's folder, if it is one.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Where in the model they are from, such as <c>blocks.2.hook_resid_post</c>; null (the default) for the tensor's name if it is one, else <c>imported</c>.</summary>
    public string? Hook { get; init; }

    /// <summary>How the numbers are kept; null (the default) for as they are in the files, float64 as f32.</summary>
    public StoreDtype? Dtype { get; init; }

    /// <summary>Share of documents held out from training, 0 to 1. Default 0.05.</summary>
    public double HeldOutFraction { get; init; } = 0.05;

    /// <summary>Seed of the choice of held-out documents. Default 0.</summary>
    public long SplitSeed { get; init; }

    /// <summary>Rows in every shard but the last of each split. Default 65536.</summary>
    public int RowsPerShard { get; init; } = 65536;

    /// <summary>Reports every value that makes no sense.</summary>
    /// <exception cref="UserErrorException">At least one value is out of range; the message names each.</exception>
    public void Check()
    {
        var problems = new List<string>();
        Require(!Files.IsDefaultOrEmpty, "files is empty; name at least one file");
        Require(DocumentRows >= 1, $"document_rows is {DocumentRows}; it must be at least 1");
        Require(RowsPerShard >= 1, $"rows_per_shard is {RowsPerShard}; it must be at least 1");
        Require(HeldOutFraction is >= 0 and <= 1, $"held_out_fraction is {HeldOutFraction}; it must be 0..1");
        Require(Model.Length > 0, "model is empty; give a folder or a name");
        if (problems.Count > 0) throw new UserErrorException(string.Join("; ", problems), "correct the settings it names");

        void Require(bool holds, string problem)
        {
            if (!holds) problems.Add(problem);
        }
    }

    /// <summary>The settings with every path as its last part: folders differ from machine to machine; what was read does not.</summary>
    internal ImportConfig WithNames() => this with
    {
        Files = [.. Files.Select(NameOf)],
        TokenIds = [.. TokenIds.Select(NameOf)],
        Documents = [.. Documents.Select(NameOf)],
        Positions = [.. Positions.Select(NameOf)],
        Mask = [.. Mask.Select(NameOf)],
        Model = NameOf(Model),
        Tokenizer = Tokenizer is null ? null : NameOf(Tokenizer),
    };

    private static string NameOf(string path) => Path.Exists(path) ? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))) : path;
}

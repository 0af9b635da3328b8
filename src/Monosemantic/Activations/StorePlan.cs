using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>Everything about a store that is decided before its first row. Two extractions with equal plans write the same bytes.</summary>
public sealed record StorePlan
{
    private const int MaxWidth = 1 << 24, MaxRowsPerShard = 1 << 28;

    /// <summary>Where in the model the rows were read, such as <c>blocks.2.hook_resid_post</c>.</summary>
    public required string HookPoint { get; init; }

    /// <summary>Width of a row, d_model; heads are flattened.</summary>
    public required int DModel { get; init; }

    /// <summary>The heads in a row, one after the other; null where the hook point has none.</summary>
    public HeadStructure? Heads { get; init; }

    /// <summary>How the numbers are kept.</summary>
    public required StoreDtype Dtype { get; init; }

    /// <summary>Rows in every shard but the last of each split.</summary>
    public required int RowsPerShard { get; init; }

    /// <summary>The model that computed the rows; without a hash where it is not known.</summary>
    public required ModelIdentity Model { get; init; }

    /// <summary>SHA-256 of the <c>tokenizer.json</c>; empty where the tokenizer is not known.</summary>
    public required string TokenizerSha256 { get; init; }

    /// <summary>The text that the rows come from.</summary>
    public required CorpusIdentity Corpus { get; init; }

    /// <summary>How text became contexts and which of their tokens became rows.</summary>
    public required TokenPolicy Tokens { get; init; }

    /// <summary>Which contexts were read, and in which order.</summary>
    public required SamplingPolicy Sampling { get; init; }

    /// <summary>Which documents are held out from training.</summary>
    public required DocumentSplit Split { get; init; }

    /// <summary>Which rows were left out for their norm; null for none.</summary>
    public OutlierPolicy? Outliers { get; init; }

    /// <summary>The settings of the extraction, folders by their last part; null where the store was not extracted here.</summary>
    public ExtractionConfig? Extraction { get; init; }

    /// <summary>The settings of the import, paths by their last part; null where the store was not imported.</summary>
    public ImportConfig? Import { get; init; }

    /// <summary>The stores that this one was put together from; null where it was not.</summary>
    public ImmutableArray<MergedStore>? Merged { get; init; }

    /// <summary>The build that wrote the store.</summary>
    public string CodeVersion { get; init; } = Runtime.CodeVersion.Current;

    /// <summary>The keys in which another plan differs, each with both values, for an error message; empty where they are equal.</summary>
    /// <param name="other">The other plan.</param>
    public IReadOnlyList<string> Differences(StorePlan other)
    {
        var differences = new List<string>();
        Compare("", JsonSerializer.SerializeToNode(this, JsonFile.Options), JsonSerializer.SerializeToNode(other, JsonFile.Options), differences);
        return differences;
    }

    /// <summary>Refuses a model or tokenizer that this store was not made with; where it does not say with which, any is taken.</summary>
    /// <param name="modelSha256">SHA-256 of the model's weights.</param>
    /// <param name="tokenizerSha256">SHA-256 of the tokenizer.</param>
    /// <param name="folder">The model's folder, for the error.</param>
    /// <exception cref="UserErrorException">Either differs.</exception>
    public void RequireModel(string modelSha256, string tokenizerSha256, string folder)
    {
        if (Model.Sha256.Length > 0 && modelSha256 != Model.Sha256) throw new UserErrorException($"{folder} is not the model that the activations were extracted from", $"give the folder of {Model.Name}");
        if (TokenizerSha256.Length > 0 && tokenizerSha256 != TokenizerSha256) throw new UserErrorException($"the tokenizer in {folder} is not the one that the activations were extracted with", $"give the tokenizer.json of {Model.Name}");
    }

    /// <summary>Reports every value that makes no sense.</summary>
    /// <exception cref="UserErrorException">At least one value is out of range; the message names each.</exception>
    internal void Check()
    {
        var problems = new List<string>();
        if (DModel is < 1 or > MaxWidth) problems.Add($"d_model is {DModel}; it must be 1..{MaxWidth:N0}");
        if (RowsPerShard is < 1 or > MaxRowsPerShard) problems.Add($"rows_per_shard is {RowsPerShard}; it must be 1..{MaxRowsPerShard:N0}");
        if (Split.HeldOutFraction is not (>= 0 and <= 1)) problems.Add($"held_out_fraction is {Split.HeldOutFraction}; it must be 0..1");
        if (problems.Count > 0) throw new UserErrorException(string.Join("; ", problems), "correct the values it names");
    }

    private static void Compare(string key, JsonNode? mine, JsonNode? theirs, List<string> differences)
    {
        if (JsonNode.DeepEquals(mine, theirs)) return;
        if (mine is not JsonObject left || theirs is not JsonObject right)
        {
            differences.Add($"{key} ({mine?.ToJsonString() ?? "null"} against {theirs?.ToJsonString() ?? "null"})");
            return;
        }
        foreach (string name in left.Select(pair => pair.Key).Union(right.Select(pair => pair.Key)))
        {
            Compare(key.Length == 0 ? name : $"{key}.{name}", left[name], right[name], differences);
        }
    }
}

/// <summary>A store that became part of another.</summary>
/// <param name="Sha256">SHA-256 of its manifest.</param>
/// <param name="Corpus">Its text.</param>
/// <param name="FirstDocument">What was added to its document numbers; the split is of the numbers before that.</param>
public sealed record MergedStore(string Sha256, CorpusIdentity Corpus, int FirstDocument);

/// <summary>Which model something was computed with.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Sha256">SHA-256 of its weights' file.</param>
public sealed record ModelIdentity(string Name, string Sha256);

/// <summary>How text becomes contexts, and which tokens of a context become rows of a store.</summary>
public sealed record TokenPolicy
{
    /// <summary>Most tokens in one context, inserted ones included.</summary>
    public required int Context { get; init; }

    /// <summary>Where beginning-of-sequence tokens are inserted.</summary>
    public required BosPolicy Bos { get; init; }

    /// <summary>The token that is inserted at a beginning and between documents; null where none is.</summary>
    public int? BosToken { get; init; }

    /// <summary>What text that looks like a special token became.</summary>
    public SpecialText Special { get; init; } = SpecialText.Text;

    /// <summary>Whether documents follow each other in one context.</summary>
    public required bool Pack { get; init; }

    /// <summary>What stands between two documents of one context, where they are packed.</summary>
    public SeparatorPolicy Separator { get; init; }

    /// <summary>Whether tokens that are not part of any text (beginning of sequence, separators) get no row.</summary>
    public required bool ExcludeInserted { get; init; }

    /// <summary>Whether special tokens that stand in the text itself get no row.</summary>
    public bool ExcludeSpecial { get; init; }

    /// <summary>Which places of a context get rows, such as <c>8..64</c> (the 64th not); null for all.</summary>
    public string? Positions { get; init; }

    /// <summary>How documents became contexts.</summary>
    internal ContextPolicy ContextPolicy => new() { Context = Context, Bos = Bos, Pack = Pack, Separator = Separator };
}

/// <summary>Which rows are left out because they are much longer than the others: a few tokens of most models are.</summary>
/// <param name="TimesMedian">A row is left out where its Euclidean norm is over this many times the median.</param>
/// <param name="Sites">The hook points that are looked at; a row over the limit at one of them is left out at all.</param>
public sealed record OutlierPolicy(double TimesMedian, ImmutableArray<SiteNorm> Sites);

/// <summary>The norms at one hook point.</summary>
/// <param name="HookPoint">Its name.</param>
/// <param name="MedianNorm">Median of the norms of the first rows (about 8,192).</param>
/// <param name="HighestNorm">The longest row that is kept.</param>
public sealed record SiteNorm(string HookPoint, double MedianNorm, double HighestNorm);

/// <summary>Which contexts of a corpus a model reads, in which order and in which groups.</summary>
public sealed record SamplingPolicy
{
    /// <summary>Whether documents are visited in a random order rather than that of the corpus.</summary>
    public required bool ShuffleDocuments { get; init; }

    /// <summary>Seed of that order.</summary>
    public required long Seed { get; init; }

    /// <summary>Number of rows after which reading stops; 0 for all.</summary>
    public required long RowLimit { get; init; }

    /// <summary>Most contexts of full length in one forward pass. It changes rows by rounding only, but it changes them.</summary>
    public required int Batch { get; init; }
}

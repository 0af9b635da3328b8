using System.Collections.Immutable;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>What to extract: a run's settings as they stand in its JSON file.</summary>
public sealed record ExtractionConfig
{
    private const int TokensAtOnce = 4096;

    /// <summary>Folder of the model: <c>config.json</c>, <c>model.safetensors</c>, <c>tokenizer.json</c>. No default.</summary>
    public required string Model { get; init; }

    /// <summary>Where the texts are: files, folders, <c>-</c> or <c>dotnet-docs</c>; see <see cref="CorpusOptions.Paths"/>. Default <c>dotnet-docs</c>.</summary>
    public ImmutableArray<string> Text { get; init; } = [CorpusOptions.ReferenceDocumentation];

    /// <summary>The field of a JSON object that holds the text. Default <c>text</c>.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>Hook points to read, such as <c>blocks.2.hook_resid_post</c>; each gets a store of its own. No default.</summary>
    public required ImmutableArray<string> Hooks { get; init; }

    /// <summary>The one head to keep of hook points that have heads, such as <c>blocks.0.attn.hook_z</c>; null (the default) for all, one after the other.</summary>
    public int? PerHead { get; init; }

    /// <summary>Most tokens in one context, inserted ones included. Default 128.</summary>
    public int Context { get; init; } = 128;

    /// <summary>Number of rows after which extraction stops; 0 (the default) for all.</summary>
    public long Rows { get; init; }

    /// <summary>How the numbers are kept. Default f16.</summary>
    public StoreDtype Dtype { get; init; } = StoreDtype.F16;

    /// <summary>Where beginning-of-sequence tokens are inserted. Default always: every context starts with one.</summary>
    public BosPolicy Bos { get; init; } = BosPolicy.Always;

    /// <summary>Whether documents follow each other in one context. Default true.</summary>
    public bool Pack { get; init; } = true;

    /// <summary>What stands between two documents of one context. Default token: one beginning-of-sequence token.</summary>
    public SeparatorPolicy Separator { get; init; }

    /// <summary>Whether inserted tokens (beginning of sequence, separators) get no row. Default true.</summary>
    public bool ExcludeInserted { get; init; } = true;

    /// <summary>Whether special tokens that stand in the text itself get no row. Default true.</summary>
    public bool ExcludeSpecial { get; init; } = true;

    /// <summary>Which places of a context get rows, as <c>8..64</c>: from the 8th, counted from 0 with inserted tokens, to before the 64th. Default null: all.</summary>
    public string? Positions { get; init; }

    /// <summary>Rows whose norm is over this many times the median norm are left out, at every hook point; 0 (the default) leaves none out.</summary>
    public double ExcludeOutliers { get; init; }

    /// <summary>Whether documents are visited in a random order, so that a limited number of rows samples the whole corpus. Default true.</summary>
    public bool ShuffleDocuments { get; init; } = true;

    /// <summary>Seed of that order. Default 0.</summary>
    public long Seed { get; init; }

    /// <summary>Most contexts of full length in one forward pass; 0 (the default) for as many as make 4,096 tokens, at least one.</summary>
    public int Batch { get; init; }

    /// <summary>Share of documents held out from training, 0 to 1. Default 0.05.</summary>
    public double HeldOutFraction { get; init; } = 0.05;

    /// <summary>Seed of the choice of held-out documents. Default 0.</summary>
    public long SplitSeed { get; init; }

    /// <summary>Rows in every shard but the last of each split. Default 65536.</summary>
    public int RowsPerShard { get; init; } = 65536;

    /// <summary>The corpus that the settings name.</summary>
    internal CorpusOptions CorpusOptions => new() { Paths = Text, TextField = TextField };

    internal int ContextsAtOnce => Batch > 0 ? Batch : Math.Max(1, TokensAtOnce / Context);

    internal bool InsertsTokens => Bos != BosPolicy.Never || (Pack && Separator == SeparatorPolicy.Token);

    internal DocumentSplit Split => new(SplitSeed, HeldOutFraction);

    internal ContextPolicy ContextPolicy => TokenPolicy.ContextPolicy;

    internal TokenPolicy TokenPolicy => new()
    {
        Context = Context,
        Bos = Bos,
        Pack = Pack,
        Separator = Separator,
        ExcludeInserted = ExcludeInserted,
        ExcludeSpecial = ExcludeSpecial,
        Positions = Positions,
    };

    /// <summary>Reports every value that makes no sense.</summary>
    /// <exception cref="UserErrorException">At least one value is out of range; the message names each.</exception>
    public void Check()
    {
        var problems = new List<string>();
        Require(!Hooks.IsDefaultOrEmpty, "hooks is empty; name at least one hook point");
        Require(Hooks.IsDefaultOrEmpty || Hooks.Distinct().Count() == Hooks.Length, "hooks names one point twice");
        Require(Context >= 2, $"context is {Context}; it must be at least 2");
        Require(Rows >= 0, $"rows is {Rows}; it must be at least 0 (0 for all)");
        Require(Batch >= 0, $"batch is {Batch}; it must be at least 0 (0 for as many contexts as make {TokensAtOnce} tokens)");
        Require((long)Batch * Context <= 1 << 28, $"batch times context is {(long)Batch * Context:N0} tokens; it must be at most {1 << 28:N0}");
        Require(RowsPerShard >= 1, $"rows_per_shard is {RowsPerShard}; it must be at least 1");
        Require(HeldOutFraction is >= 0 and <= 1, $"held_out_fraction is {HeldOutFraction}; it must be 0..1");
        Require(Positions is null || PositionRange.TryParse(Positions, out _), $"positions is '{Positions}'; it must be a range such as 8..64, 8.. or ..64, from less to more");
        Require(ExcludeOutliers == 0 || (ExcludeOutliers > 1 && double.IsFinite(ExcludeOutliers)), $"exclude_outliers is {ExcludeOutliers}; it must be more than 1 (0 for none)");
        Require(PerHead is null or >= 0, $"per_head is {PerHead}; heads are counted from 0");
        if (problems.Count > 0) throw new UserErrorException(string.Join("; ", problems), "correct the settings it names");

        void Require(bool holds, string problem)
        {
            if (!holds) problems.Add(problem);
        }
    }

    /// <summary>The hook points as values.</summary>
    /// <exception cref="UserErrorException">A name is none, or two are of the same point.</exception>
    internal ImmutableArray<HookPoint> HookPoints()
    {
        ImmutableArray<HookPoint> points = [.. Hooks.Select(HookPoint.Parse)];
        if (points.Distinct().Count() == points.Length) return points;
        throw new UserErrorException($"hooks is {string.Join(",", Hooks)}, which names one point twice", "name each point once; it may have several spellings");
    }

    /// <summary>What the store of one hook point is going to be.</summary>
    internal StorePlan PlanFor(HookedWidth hook, ModelIdentity model, TokenizedCorpus corpus, OutlierPolicy? outliers) => new()
    {
        HookPoint = hook.HookPoint,
        DModel = hook.Width,
        Heads = hook.Heads,
        Dtype = Dtype,
        RowsPerShard = RowsPerShard,
        Model = model,
        TokenizerSha256 = corpus.TokenizerSha256,
        Corpus = corpus.Identity,
        Tokens = TokenPolicy with { BosToken = InsertsTokens ? corpus.BosToken : null },
        Sampling = new SamplingPolicy { ShuffleDocuments = ShuffleDocuments, Seed = Seed, RowLimit = Rows, Batch = ContextsAtOnce },
        Split = Split,
        Outliers = outliers,
        Extraction = this with { Model = model.Name, Text = [.. Text.Select(NameOf)], Hooks = [.. Hooks.Select(name => HookPoint.CanonicalName(name) ?? name)] },
    };

    // Folders differ from machine to machine; what was read does not.
    private static string NameOf(string path) => Path.GetFileName(Path.TrimEndingDirectorySeparator(path)) is { Length: > 0 } name ? name : path;
}

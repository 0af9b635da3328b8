using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>One column of an index: its table, its name and what it holds, in one sentence.</summary>
/// <param name="Table">Name of the table; its file is that name with <c>.parquet</c>.</param>
/// <param name="Name">Name of the column.</param>
/// <param name="Meaning">What it holds.</param>
public sealed record IndexColumn(string Table, string Name, string Meaning);

/// <summary>What every table and column of an index means. <c>kind</c> is 'feature' or 'neuron', <c>unit</c> its index; ranks count from 0.</summary>
public static class IndexSchema
{
    private static readonly ImmutableArray<(string Name, string Meaning)> Numbers =
    [
        ("firings", "scanned rows (tokens) at which it fires"),
        ("density", "share of scanned rows at which it fires, 0 to 1"),
        ("mean", "mean activation over its firings; 0 if it never fires"),
        ("max", "largest activation; 0 if it never fires"),
        ("token_entropy", "entropy in bits of its activation over token ids; null if it never fires"),
        .. FeatureScanOptions.QuantileLevels.Select(level => (IndexTables.QuantileName(level), $"activation that {level * 100:0} % of its firings do not exceed, to 1.6 %; null if it never fires")),
        ("purity", "largest share of its firings that is on one token id; null if it never fires"),
        ("decile_consistency", "mean overlap of the tokens in each lower tenth of its drawn firings, by activation, with those in the top tenth; null with fewer than 20"),
        ("token_predictability", "share of the entropy of its firing that the token explains on held-out rows; null where the evaluation did not score it (eval --interpret, scan --metrics)"),
        ("context_predictability", "the same, by the token and the two before it"),
        ("ablation_loss", "mean rise of the next token's loss in nats at its strongest contexts when its contribution is taken away; null where not measured"),
        ("map_x", "place on the first principal component of the decoder directions; null without one"),
        ("map_y", "place on the second principal component of the decoder directions; null without one"),
        ("histogram_low", "log10 of the lower edge of its activation histogram"),
        ("histogram_high", "log10 of the upper edge of its activation histogram"),
        ("histogram_bins", "bins of its activation histogram"),
        ("logit_low", "smallest direct effect on a logit, the lower edge of its logit histogram; null without logit effects"),
        ("logit_high", "largest direct effect on a logit, the upper edge of its logit histogram; null without logit effects"),
        ("logit_bins", "bins of its logit histogram"),
    ];

    private static readonly ImmutableArray<(string Name, string Meaning)> Key = [("kind", "feature or neuron"), ("unit", "index of the feature or neuron")];

    /// <summary>The tables, in the order in which a reader wants them, with what a row of each is.</summary>
    public static ImmutableArray<(string Name, string Meaning)> Tables { get; } =
    [
        ("features", "one row per feature of the dictionary"),
        ("neurons", "one row per raw neuron of the hook point"),
        ("tokens", "tokens that fire a unit, most of its total activation first"),
        ("contexts", "stretches of text around a unit's firings: the strongest, and some drawn at random from each fifth of its firings"),
        ("firings", "firings of each unit, drawn at random with equal chance, in file order"),
        ("neighbours", "units close to a unit, by relation, closest first"),
        ("logits", "tokens whose logits a unit's direction raises or lowers most"),
        ("histograms", "histograms of each unit's activations and logit effects; empty bins are left out"),
        ("vocabulary", "display form of every token id"),
        ("runs", "what was scanned and with what: one row"),
    ];

    /// <summary>Every column.</summary>
    public static ImmutableArray<IndexColumn> Columns { get; } =
    [
        .. Of("features", [("feature", "index of the feature"), .. Numbers]),
        .. Of("neurons", [("neuron", "index of the neuron"), .. Numbers]),
        .. Of("tokens", [.. Key, ("rank", "rank by total activation"), ("token", "token id"), ("text", "display form of the token"), ("count", "rows holding the token at which the unit fires"), ("occurrences", "rows holding the token"), ("recall", "count / occurrences"), ("precision", "count / the unit's firings"), ("mean", "mean activation over the count firings"), ("max", "largest activation")]),
        .. Of("contexts", [.. Key, ("band", "0: strongest contexts; 1, 2, ...: random contexts from each fifth of its firings, the strongest fifth first"), ("low", "lower bound of the fifth's activations; null in band 0"), ("high", "upper bound of the fifth's activations; null in band 0"), ("share", "share of the unit's firings between the bounds; null in band 0"), ("rank", "rank by activation at the peak within the band"), ("document", "index of the document"), ("start", "position of the first token in the document"), ("peak", "which token the context stands for, from 0"), ("activation", "activation at the peak"), ("ablation_loss", "rise of the next token's loss in nats without the unit at the peak; null where not measured"), ("text", "display form of all tokens"), ("length", "number of tokens"), ("tokens", "token ids"), ("activations", "activation at each token, 0 where it does not fire")]),
        .. Of("firings", [.. Key, ("document", "index of the document"), ("position", "position of the token in the document"), ("token", "token id"), ("activation", "activation")]),
        .. Of("neighbours", [.. Key, ("relation", "cosine: of decoder directions; correlation: Pearson, of activations; co-firing: share of the unit's firings at which the neighbour fires"), ("rank", "rank within relation and kind of neighbour"), ("neighbour_kind", "feature or neuron"), ("neighbour", "index of the neighbour"), ("value", "cosine, correlation or share"), ("together", "rows at which both fire; null where not counted")]),
        .. Of("logits", [.. Key, ("promoted", "whether the logit is raised"), ("rank", "rank by effect"), ("token", "token id"), ("text", "display form of the token"), ("logit", "direct effect on the logit per unit of activation")]),
        .. Of("histograms", [.. Key, ("of", "activation (equal bins of log10) or logit (equal bins)"), ("bin", "number of the bin, from 0"), ("count", "firings or tokens in the bin")]),
        .. Of("vocabulary", [("token", "token id"), ("text", "display form of the token")]),
        .. Of("runs", [("model", "name of the model"), ("model_sha256", "hash of its weights"), ("hook_point", "hook point that was scanned"), ("d_model", "width of the hook point"), ("d_sae", "number of features"), ("k", "features kept per token; null where the architecture has no such setting"), ("corpus", "name of the text"), ("tokens_trained", "tokens that the dictionary was trained on, repeats counted"), ("rows_scanned", "rows scanned"), ("seed", "seed of the training"), ("code_version", "version of the tool"), ("fvu", "fraction of variance unexplained; null if not evaluated"), ("l0", "mean features per token; null if not evaluated"), ("dead_fraction", "share of features that fire on no evaluated row; null if not evaluated"), ("cross_entropy_recovered", "(zero - spliced) / (zero - original); null if not evaluated"), ("card", "all of it, with the hashes of what it came from, as JSON")]),
    ];

    private static IEnumerable<IndexColumn> Of(string table, ImmutableArray<(string Name, string Meaning)> columns) =>
        columns.Select(column => new IndexColumn(table, column.Name, column.Meaning));
}

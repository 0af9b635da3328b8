using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>The tables of a <see cref="FeatureIndex"/>, from records to columns. What each column means stands in <see cref="IndexSchema"/>.</summary>
internal sealed record IndexTables(FeatureIndexCard Card, ImmutableArray<UnitEvidence> Features, ImmutableArray<UnitEvidence> Neurons, ImmutableSortedDictionary<int, string> Vocabulary)
{
    internal const string FeatureFile = "features.parquet", NeuronFile = "neurons.parquet", HistogramFile = "histograms.parquet", RunFile = "runs.parquet";
    internal const string TokenFile = "tokens.parquet", ContextFile = "contexts.parquet", LogitFile = "logits.parquet", VocabularyFile = "vocabulary.parquet";
    internal const string FiringFile = "firings.parquet", NeighbourFile = "neighbours.parquet";

    // By token: each is looked up once here, and in the tables of contexts a million times.
    private readonly string[] texts = [.. Enumerable.Range(0, Vocabulary.IsEmpty ? 0 : Vocabulary.Keys.Last() + 1).Select(token => FeatureIndex.TextOf(token, Vocabulary))];

    /// <summary>File names of the tables.</summary>
    internal static ImmutableArray<string> Names { get; } =
        [FeatureFile, NeuronFile, TokenFile, ContextFile, FiringFile, NeighbourFile, LogitFile, HistogramFile, VocabularyFile, RunFile];

    internal ImmutableArray<IndexTable> Write(string folder)
    {
        UnitEvidence[] all = [.. Features, .. Neurons];
        // By far the longest begins first.
        Task<IndexTable> contexts = Task.Run(() => Contexts(folder, all));
        Func<IndexTable>[] others =
        [
            () => Units(folder, FeatureFile, UnitKind.Feature, Features),
            () => Units(folder, NeuronFile, UnitKind.Neuron, Neurons),
            () => Tokens(folder, all),
            () => Firings(folder, all),
            () => Neighbours(folder, all),
            () => Logits(folder, all),
            () => Histograms(folder, all),
            () => new ParquetTable<KeyValuePair<int, string>>([.. Vocabulary]).Add("token", token => token.Key).Add("text", token => token.Value).Write(folder, VocabularyFile),
            () => Run(folder, Card),
        ];
        IndexTable[] tables = Task.WhenAll([contexts, .. others.Select(Task.Run)]).GetAwaiter().GetResult();
        return [.. tables.OrderBy(table => Names.IndexOf(table.Name))];
    }

    /// <summary>What stands in the columns kind.</summary>
    internal static string NameOf(UnitKind kind) => kind == UnitKind.Feature ? "feature" : "neuron";

    /// <summary>What stands in the column relation.</summary>
    internal static string NameOf(Relation relation) => relation switch
    {
        Relation.Cosine => "cosine",
        Relation.Correlation => "correlation",
        _ => "co-firing",
    };

    /// <summary>Name of the column of a quantile, such as q05.</summary>
    internal static string QuantileName(double level) => $"q{(int)Math.Round(level * 100):00}";

    private static IndexTable Units(string folder, string name, UnitKind kind, ImmutableArray<UnitEvidence> units)
    {
        ParquetTable<UnitEvidence> table = new ParquetTable<UnitEvidence>([.. units])
            .Add(NameOf(kind), unit => unit.Index)
            .Add("firings", unit => unit.Firings)
            .Add("density", unit => unit.Density)
            .Add("mean", unit => unit.Mean)
            .Add("max", unit => unit.Max)
            .AddNullable("token_entropy", unit => unit.TokenEntropy);
        for (int i = 0; i < FeatureScanOptions.QuantileLevels.Length; i++)
        {
            int level = i;
            table.AddNullable(QuantileName(FeatureScanOptions.QuantileLevels[i]), unit => unit.Quantiles.Length > level ? unit.Quantiles[level] : (double?)null);
        }
        return table
            .AddNullable("purity", unit => unit.Purity)
            .AddNullable("decile_consistency", unit => unit.DecileConsistency)
            .AddNullable("token_predictability", unit => unit.TokenPredictability)
            .AddNullable("context_predictability", unit => unit.ContextPredictability)
            .AddNullable("ablation_loss", unit => unit.AblationLoss)
            .AddNullable("map_x", unit => unit.Map?.X)
            .AddNullable("map_y", unit => unit.Map?.Y)
            .Add("histogram_low", unit => unit.HistogramLow)
            .Add("histogram_high", unit => unit.HistogramHigh)
            .Add("histogram_bins", unit => unit.Histogram.Length)
            .AddNullable("logit_low", unit => unit.Logits?.Low)
            .AddNullable("logit_high", unit => unit.Logits?.High)
            .Add("logit_bins", unit => unit.Logits?.Counts.Length ?? 0)
            .Write(folder, name);
    }

    private static IndexTable Histograms(string folder, UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Histogram.Select((count, bin) => (unit, of: "activation", bin, count))
            .Concat(unit.Logits?.Counts.Select((count, bin) => (unit, of: "logit", bin, count: (long)count)) ?? [])).Where(row => row.count > 0).ToArray();
        return Keyed(rows, row => row.unit).Add("of", row => row.of).Add("bin", row => row.bin).Add("count", row => row.count).Write(folder, HistogramFile);
    }

    private IndexTable Tokens(string folder, UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Tokens.Select((evidence, rank) => (unit, rank, evidence))).ToArray();
        return Keyed(rows, row => row.unit)
            .Add("rank", row => row.rank)
            .Add("token", row => row.evidence.Token)
            .Add("text", row => Text(row.evidence.Token))
            .Add("count", row => row.evidence.Count)
            .Add("occurrences", row => row.evidence.Occurrences)
            .Add("recall", row => (double)row.evidence.Count / Math.Max(1, row.evidence.Occurrences))
            .Add("precision", row => (double)row.evidence.Count / Math.Max(1, row.unit.Firings))
            .Add("mean", row => row.evidence.Mean)
            .Add("max", row => row.evidence.Max)
            .Write(folder, TokenFile);
    }

    private IndexTable Contexts(string folder, UnitEvidence[] units)
    {
        var rows = units.SelectMany(InBands).ToArray();
        return Keyed(rows, row => row.Unit, searched: true)
            .Add("band", row => row.Band)
            .AddNullable("low", row => row.Group?.Low)
            .AddNullable("high", row => row.Group?.High)
            .AddNullable("share", row => row.Group?.Share)
            .Add("rank", row => row.Rank)
            .Add("document", row => row.Context.Document)
            .Add("start", row => row.Context.Start)
            .Add("peak", row => row.Context.Peak)
            .Add("activation", row => row.Context.Activations[row.Context.Peak])
            .AddNullable("ablation_loss", row => row.Context.AblationLoss)
            .Add("text", row => Joined(row.Context.Tokens))
            .Add("length", row => row.Context.Tokens.Length)
            .AddLists("tokens", row => row.Context.Tokens)
            .AddLists("activations", row => row.Context.Activations)
            .Write(folder, ContextFile);
    }

    private static IEnumerable<(UnitEvidence Unit, int Band, ContextGroup? Group, int Rank, ContextEvidence Context)> InBands(UnitEvidence unit) =>
        unit.Contexts.Select((context, rank) => (unit, 0, (ContextGroup?)null, rank, context))
            .Concat(unit.Groups.SelectMany((group, i) => group.Contexts.Select((context, rank) => (unit, i + 1, (ContextGroup?)group, rank, context))));

    private static IndexTable Firings(string folder, UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Sample.Select(firing => (unit, firing))).ToArray();
        return Keyed(rows, row => row.unit)
            .Add("document", row => row.firing.Document)
            .Add("position", row => row.firing.Position)
            .Add("token", row => row.firing.Token)
            .Add("activation", row => row.firing.Activation)
            .Write(folder, FiringFile);
    }

    private static IndexTable Neighbours(string folder, UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Neighbours.GroupBy(neighbour => (neighbour.Relation, neighbour.Kind)).SelectMany(group => group.Select((neighbour, rank) => (unit, rank, neighbour)))).ToArray();
        return Keyed(rows, row => row.unit)
            .Add("relation", row => NameOf(row.neighbour.Relation))
            .Add("rank", row => row.rank)
            .Add("neighbour_kind", row => NameOf(row.neighbour.Kind))
            .Add("neighbour", row => row.neighbour.Index)
            .Add("value", row => row.neighbour.Value)
            .AddNullable("together", row => row.neighbour.Together)
            .Write(folder, NeighbourFile);
    }

    private IndexTable Logits(string folder, UnitEvidence[] units)
    {
        var rows = units
            .SelectMany(unit => Ranked(unit, true, unit.Promoted).Concat(Ranked(unit, false, unit.Suppressed)))
            .ToArray();
        return Keyed(rows, row => row.Unit)
            .Add("promoted", row => row.Promoted)
            .Add("rank", row => row.Rank)
            .Add("token", row => row.Effect.Token)
            .Add("text", row => Text(row.Effect.Token))
            .Add("logit", row => row.Effect.Logit)
            .Write(folder, LogitFile);
    }

    private static IndexTable Run(string folder, FeatureIndexCard run) => new ParquetTable<FeatureIndexCard>([run])
        .Add("model", card => card.Model)
        .Add("model_sha256", card => card.ModelSha256)
        .Add("hook_point", card => card.HookPoint)
        .Add("d_model", card => card.DModel)
        .Add("d_sae", card => card.DSae)
        .AddNullable("k", card => card.K)
        .Add("corpus", card => card.Corpus)
        .Add("tokens_trained", card => card.TokensTrained)
        .Add("rows_scanned", card => card.RowsScanned)
        .Add("seed", card => card.Seed)
        .Add("code_version", card => card.CodeVersion)
        .AddNullable("fvu", card => card.Evaluation?.Fvu)
        .AddNullable("l0", card => card.Evaluation?.L0)
        .AddNullable("dead_fraction", card => card.Evaluation?.DeadFraction)
        .AddNullable("cross_entropy_recovered", card => card.Evaluation?.CrossEntropy?.Recovered)
        .Add("card", card => Runtime.JsonFile.ToText(card))
        .Write(folder, RunFile);

    private static IEnumerable<(UnitEvidence Unit, bool Promoted, int Rank, LogitEffect Effect)> Ranked(UnitEvidence unit, bool promoted, ImmutableArray<LogitEffect> effects) =>
        effects.Select((effect, rank) => (unit, promoted, rank, effect));

    private static ParquetTable<T> Keyed<T>(T[] rows, Func<T, UnitEvidence> unit, bool searched = false) => new ParquetTable<T>(rows, searched)
        .Add("kind", row => NameOf(unit(row).Kind))
        .Add("unit", row => unit(row).Index);

    private string Joined(ImmutableArray<int> tokens)
    {
        var parts = new string[tokens.Length];
        for (int i = 0; i < parts.Length; i++) parts[i] = Text(tokens[i]);
        return string.Concat(parts);
    }

    private string Text(int token) => (uint)token < (uint)texts.Length ? texts[token] : FeatureIndex.TextOf(token, Vocabulary);
}

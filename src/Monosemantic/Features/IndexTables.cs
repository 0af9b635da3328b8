using System.Collections.Immutable;
using System.Runtime.InteropServices;

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
        Task<IndexTable> contexts = Task.Run(() => Contexts(all).Write(folder, ContextFile));
        Func<IndexTable>[] others =
        [
            () => Units(UnitKind.Feature, Features).Write(folder, FeatureFile),
            () => Units(UnitKind.Neuron, Neurons).Write(folder, NeuronFile),
            () => Tokens(all).Write(folder, TokenFile),
            () => Firings(all).Write(folder, FiringFile),
            () => Neighbours(all).Write(folder, NeighbourFile),
            () => Logits(all).Write(folder, LogitFile),
            () => Histograms(all).Write(folder, HistogramFile),
            () => new ParquetTable().Add("token", Vocabulary.Keys.ToArray()).Add("text", Vocabulary.Values.ToArray()).Write(folder, VocabularyFile),
            () => Run(Card).Write(folder, RunFile),
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

    private static ParquetTable Units(UnitKind kind, ImmutableArray<UnitEvidence> units)
    {
        ParquetTable table = new ParquetTable()
            .Add(NameOf(kind), Column(units, unit => unit.Index))
            .Add("firings", Column(units, unit => unit.Firings))
            .Add("density", Column(units, unit => unit.Density))
            .Add("mean", Column(units, unit => unit.Mean))
            .Add("max", Column(units, unit => unit.Max))
            .AddNullable("token_entropy", Column(units, unit => unit.TokenEntropy));
        for (int i = 0; i < FeatureScanOptions.QuantileLevels.Length; i++)
        {
            int level = i;
            table.AddNullable(QuantileName(FeatureScanOptions.QuantileLevels[i]), Column(units, unit => unit.Quantiles.Length > level ? unit.Quantiles[level] : (double?)null));
        }
        return table
            .AddNullable("purity", Column(units, unit => unit.Purity))
            .AddNullable("decile_consistency", Column(units, unit => unit.DecileConsistency))
            .AddNullable("token_predictability", Column(units, unit => unit.TokenPredictability))
            .AddNullable("context_predictability", Column(units, unit => unit.ContextPredictability))
            .AddNullable("ablation_loss", Column(units, unit => unit.AblationLoss))
            .AddNullable("map_x", Column(units, unit => unit.Map?.X))
            .AddNullable("map_y", Column(units, unit => unit.Map?.Y))
            .Add("histogram_low", Column(units, unit => unit.HistogramLow))
            .Add("histogram_high", Column(units, unit => unit.HistogramHigh))
            .Add("histogram_bins", Column(units, unit => unit.Histogram.Length))
            .AddNullable("logit_low", Column(units, unit => unit.Logits?.Low))
            .AddNullable("logit_high", Column(units, unit => unit.Logits?.High))
            .Add("logit_bins", Column(units, unit => unit.Logits?.Counts.Length ?? 0));
    }

    private static ParquetTable Histograms(UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Histogram.Select((count, bin) => (unit, of: "activation", bin, count))
            .Concat(unit.Logits?.Counts.Select((count, bin) => (unit, of: "logit", bin, count: (long)count)) ?? [])).Where(row => row.count > 0).ToArray();
        return Keyed(rows, row => row.unit).Add("of", Column(rows, row => row.of)).Add("bin", Column(rows, row => row.bin)).Add("count", Column(rows, row => row.count));
    }

    private ParquetTable Tokens(UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Tokens.Select((evidence, rank) => (unit, rank, evidence))).ToArray();
        return Keyed(rows, row => row.unit)
            .Add("rank", Column(rows, row => row.rank))
            .Add("token", Column(rows, row => row.evidence.Token))
            .Add("text", Column(rows, row => Text(row.evidence.Token)))
            .Add("count", Column(rows, row => row.evidence.Count))
            .Add("occurrences", Column(rows, row => row.evidence.Occurrences))
            .Add("recall", Column(rows, row => (double)row.evidence.Count / Math.Max(1, row.evidence.Occurrences)))
            .Add("precision", Column(rows, row => (double)row.evidence.Count / Math.Max(1, row.unit.Firings)))
            .Add("mean", Column(rows, row => row.evidence.Mean))
            .Add("max", Column(rows, row => row.evidence.Max));
    }

    private ParquetTable Contexts(UnitEvidence[] units)
    {
        var rows = units.SelectMany(InBands).ToArray();
        int[] lengths = Column(rows, row => row.Context.Tokens.Length);
        return Keyed(rows, row => row.Unit, searched: true)
            .Add("band", Column(rows, row => row.Band))
            .AddNullable("low", Column(rows, row => row.Group?.Low))
            .AddNullable("high", Column(rows, row => row.Group?.High))
            .AddNullable("share", Column(rows, row => row.Group?.Share))
            .Add("rank", Column(rows, row => row.Rank))
            .Add("document", Column(rows, row => row.Context.Document))
            .Add("start", Column(rows, row => row.Context.Start))
            .Add("peak", Column(rows, row => row.Context.Peak))
            .Add("activation", Column(rows, row => row.Context.Activations[row.Context.Peak]))
            .AddNullable("ablation_loss", Column(rows, row => row.Context.AblationLoss))
            .Add("text", Column(rows, row => string.Concat(row.Context.Tokens.Select(Text))))
            .Add("length", lengths)
            .AddLists("tokens", Joined(rows, row => row.Context.Tokens), lengths)
            .AddLists("activations", Joined(rows, row => row.Context.Activations), lengths);
    }

    private static IEnumerable<(UnitEvidence Unit, int Band, ContextGroup? Group, int Rank, ContextEvidence Context)> InBands(UnitEvidence unit) =>
        unit.Contexts.Select((context, rank) => (unit, 0, (ContextGroup?)null, rank, context))
            .Concat(unit.Groups.SelectMany((group, i) => group.Contexts.Select((context, rank) => (unit, i + 1, (ContextGroup?)group, rank, context))));

    private static ParquetTable Firings(UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Sample.Select(firing => (unit, firing))).ToArray();
        return Keyed(rows, row => row.unit)
            .Add("document", Column(rows, row => row.firing.Document))
            .Add("position", Column(rows, row => row.firing.Position))
            .Add("token", Column(rows, row => row.firing.Token))
            .Add("activation", Column(rows, row => row.firing.Activation));
    }

    private static ParquetTable Neighbours(UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Neighbours.GroupBy(neighbour => (neighbour.Relation, neighbour.Kind)).SelectMany(group => group.Select((neighbour, rank) => (unit, rank, neighbour)))).ToArray();
        return Keyed(rows, row => row.unit)
            .Add("relation", Column(rows, row => NameOf(row.neighbour.Relation)))
            .Add("rank", Column(rows, row => row.rank))
            .Add("neighbour_kind", Column(rows, row => NameOf(row.neighbour.Kind)))
            .Add("neighbour", Column(rows, row => row.neighbour.Index))
            .Add("value", Column(rows, row => row.neighbour.Value))
            .AddNullable("together", Column(rows, row => row.neighbour.Together));
    }

    private ParquetTable Logits(UnitEvidence[] units)
    {
        var rows = units
            .SelectMany(unit => Ranked(unit, true, unit.Promoted).Concat(Ranked(unit, false, unit.Suppressed)))
            .ToArray();
        return Keyed(rows, row => row.Unit)
            .Add("promoted", Column(rows, row => row.Promoted))
            .Add("rank", Column(rows, row => row.Rank))
            .Add("token", Column(rows, row => row.Effect.Token))
            .Add("text", Column(rows, row => Text(row.Effect.Token)))
            .Add("logit", Column(rows, row => row.Effect.Logit));
    }

    private static ParquetTable Run(FeatureIndexCard card) => new ParquetTable()
        .Add("model", [card.Model])
        .Add("model_sha256", [card.ModelSha256])
        .Add("hook_point", [card.HookPoint])
        .Add("d_model", [card.DModel])
        .Add("d_sae", [card.DSae])
        .AddNullable("k", [card.K])
        .Add("corpus", [card.Corpus])
        .Add("tokens_trained", [card.TokensTrained])
        .Add("rows_scanned", [card.RowsScanned])
        .Add("seed", [card.Seed])
        .Add("code_version", [card.CodeVersion])
        .AddNullable("fvu", [card.Evaluation?.Fvu])
        .AddNullable("l0", [card.Evaluation?.L0])
        .AddNullable("dead_fraction", [card.Evaluation?.DeadFraction])
        .AddNullable("cross_entropy_recovered", [card.Evaluation?.CrossEntropy?.Recovered])
        .Add("card", [Runtime.JsonFile.ToText(card)]);

    private static IEnumerable<(UnitEvidence Unit, bool Promoted, int Rank, LogitEffect Effect)> Ranked(UnitEvidence unit, bool promoted, ImmutableArray<LogitEffect> effects) =>
        effects.Select((effect, rank) => (unit, promoted, rank, effect));

    private static ParquetTable Keyed<T>(T[] rows, Func<T, UnitEvidence> unit, bool searched = false) => new ParquetTable(searched)
        .Add("kind", Column(rows, row => NameOf(unit(row).Kind)))
        .Add("unit", Column(rows, row => unit(row).Index));

    private string Text(int token) => (uint)token < (uint)texts.Length ? texts[token] : FeatureIndex.TextOf(token, Vocabulary);

    private static TValue[] Column<TValue>(ImmutableArray<UnitEvidence> units, Func<UnitEvidence, TValue> value) => Column(ImmutableCollectionsMarshal.AsArray(units)!, value);

    private static TValue[] Column<TRow, TValue>(TRow[] rows, Func<TRow, TValue> value)
    {
        var column = new TValue[rows.Length];
        for (int row = 0; row < column.Length; row++) column[row] = value(rows[row]);
        return column;
    }

    private static TValue[] Joined<TRow, TValue>(TRow[] rows, Func<TRow, ImmutableArray<TValue>> list)
    {
        var joined = new TValue[rows.Sum(row => list(row).Length)];
        int at = 0;
        foreach (TRow row in rows)
        {
            list(row).CopyTo(joined, at);
            at += list(row).Length;
        }
        return joined;
    }
}

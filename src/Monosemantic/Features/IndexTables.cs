using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>
/// The tables of a <see cref="FeatureIndex"/>, from records to columns. What each column means stands in <see cref="IndexSchema"/>.
/// Those that say nothing of what a unit is worth can be written before that is known.
/// </summary>
internal sealed class IndexTables
{
    internal const string FeatureFile = "features.parquet", NeuronFile = "neurons.parquet", HistogramFile = "histograms.parquet", RunFile = "runs.parquet";
    internal const string TokenFile = "tokens.parquet", ContextFile = "contexts.parquet", LogitFile = "logits.parquet", VocabularyFile = "vocabulary.parquet";
    internal const string FiringFile = "firings.parquet", NeighbourFile = "neighbours.parquet";
    private readonly string folder;
    private readonly ImmutableSortedDictionary<int, string> vocabulary;

    // By token: each is looked up once here, and in the tables of contexts a million times.
    private readonly string[] texts;

    /// <summary>Nothing is written yet.</summary>
    /// <param name="folder">Where the tables go.</param>
    /// <param name="vocabulary">Display form of the tokens in the evidence.</param>
    internal IndexTables(string folder, IEnumerable<KeyValuePair<int, string>> vocabulary)
    {
        this.folder = folder;
        this.vocabulary = vocabulary.ToImmutableSortedDictionary();
        texts = [.. Enumerable.Range(0, this.vocabulary.IsEmpty ? 0 : this.vocabulary.Keys.Last() + 1).Select(token => FeatureIndex.TextOf(token, this.vocabulary))];
    }

    /// <summary>File names of the tables.</summary>
    internal static ImmutableArray<string> Names { get; } =
        [FeatureFile, NeuronFile, TokenFile, ContextFile, FiringFile, NeighbourFile, LogitFile, HistogramFile, VocabularyFile, RunFile];

    /// <summary>Writes the tables in which what a unit is worth does not stand.</summary>
    internal IndexTable[] WriteSettled(ImmutableArray<UnitEvidence> features, ImmutableArray<UnitEvidence> neurons)
    {
        UnitEvidence[] all = [.. features, .. neurons];
        var words = new ParquetTable<KeyValuePair<int, string>>(vocabulary).Add("token", token => token.Key).Add("text", token => token.Value);
        return [Tokens(all), Firings(all), Neighbours(all), Logits(all), Histograms(all), words.Write(folder, VocabularyFile)];
    }

    /// <summary>Writes the tables of the units' numbers and of the run.</summary>
    internal IndexTable[] WriteUnits(FeatureIndexCard card, IReadOnlyCollection<UnitEvidence> units) =>
        [Units(FeatureFile, UnitKind.Feature, units), Units(NeuronFile, UnitKind.Neuron, units), Run(card)];

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

    private IndexTable Units(string name, UnitKind kind, IEnumerable<UnitEvidence> units)
    {
        ParquetTable<UnitEvidence> table = new ParquetTable<UnitEvidence>(units.Where(unit => unit.Kind == kind))
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

    private IndexTable Histograms(UnitEvidence[] units) => Keyed(Bins(units), row => row.Unit)
        .Add("of", row => row.Of)
        .Add("bin", row => row.Bin)
        .Add("count", row => row.Count)
        .Write(folder, HistogramFile);

    private static IEnumerable<BinRow> Bins(UnitEvidence[] units)
    {
        foreach (UnitEvidence unit in units)
        {
            for (int bin = 0; bin < unit.Histogram.Length; bin++)
            {
                if (unit.Histogram[bin] > 0) yield return new(unit, "activation", bin, unit.Histogram[bin]);
            }
            if (unit.Logits is not { } logits) continue;
            for (int bin = 0; bin < logits.Counts.Length; bin++)
            {
                if (logits.Counts[bin] > 0) yield return new(unit, "logit", bin, logits.Counts[bin]);
            }
        }
    }

    private IndexTable Tokens(UnitEvidence[] units) => Keyed(Ranked(units, unit => unit.Tokens), row => row.Unit)
        .Add("rank", row => row.Rank)
        .Add("token", row => row.Value.Token)
        .Add("text", row => Text(row.Value.Token))
        .Add("count", row => row.Value.Count)
        .Add("occurrences", row => row.Value.Occurrences)
        .Add("recall", row => (double)row.Value.Count / Math.Max(1, row.Value.Occurrences))
        .Add("precision", row => (double)row.Value.Count / Math.Max(1, row.Unit.Firings))
        .Add("mean", row => row.Value.Mean)
        .Add("max", row => row.Value.Max)
        .Write(folder, TokenFile);

    /// <summary>Writes the contexts of units, which may still be on their way.</summary>
    internal IndexTable WriteContexts(IEnumerable<UnitEvidence> units) => Keyed(InBands(units), row => row.Unit, searched: true)
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

    private static IEnumerable<ContextRow> InBands(IEnumerable<UnitEvidence> units)
    {
        foreach (UnitEvidence unit in units)
        {
            for (int rank = 0; rank < unit.Contexts.Length; rank++) yield return new(unit, 0, null, rank, unit.Contexts[rank]);
            for (int band = 0; band < unit.Groups.Length; band++)
            {
                ContextGroup group = unit.Groups[band];
                for (int rank = 0; rank < group.Contexts.Length; rank++) yield return new(unit, band + 1, group, rank, group.Contexts[rank]);
            }
        }
    }

    private IndexTable Firings(UnitEvidence[] units) => Keyed(Ranked(units, unit => unit.Sample), row => row.Unit)
        .Add("document", row => row.Value.Document)
        .Add("position", row => row.Value.Position)
        .Add("token", row => row.Value.Token)
        .Add("activation", row => row.Value.Activation)
        .Write(folder, FiringFile);

    private IndexTable Neighbours(UnitEvidence[] units) => Keyed(Close(units), row => row.Unit)
        .Add("relation", row => NameOf(row.Value.Relation))
        .Add("rank", row => row.Rank)
        .Add("neighbour_kind", row => NameOf(row.Value.Kind))
        .Add("neighbour", row => row.Value.Index)
        .Add("value", row => row.Value.Value)
        .AddNullable("together", row => row.Value.Together)
        .Write(folder, NeighbourFile);

    // Ranked among those of the same relation and kind.
    private static IEnumerable<Row<NeighbourEvidence>> Close(UnitEvidence[] units)
    {
        foreach (Row<NeighbourEvidence> row in Ranked(units, unit => unit.Neighbours))
        {
            int rank = 0;
            for (int i = 0; i < row.Rank; i++)
            {
                NeighbourEvidence before = row.Unit.Neighbours[i];
                if (before.Relation == row.Value.Relation && before.Kind == row.Value.Kind) rank++;
            }
            yield return row with { Rank = rank };
        }
    }

    private IndexTable Logits(UnitEvidence[] units) => Keyed(Effects(units), row => row.Unit)
        .Add("promoted", row => row.Promoted)
        .Add("rank", row => row.Rank)
        .Add("token", row => row.Effect.Token)
        .Add("text", row => Text(row.Effect.Token))
        .Add("logit", row => row.Effect.Logit)
        .Write(folder, LogitFile);

    private static IEnumerable<EffectRow> Effects(UnitEvidence[] units)
    {
        foreach (UnitEvidence unit in units)
        {
            for (int rank = 0; rank < unit.Promoted.Length; rank++) yield return new(unit, true, rank, unit.Promoted[rank]);
            for (int rank = 0; rank < unit.Suppressed.Length; rank++) yield return new(unit, false, rank, unit.Suppressed[rank]);
        }
    }

    private IndexTable Run(FeatureIndexCard run) => new ParquetTable<FeatureIndexCard>([run])
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
        .Add("card", card => JsonFile.ToText(card))
        .Write(folder, RunFile);

    private static IEnumerable<Row<T>> Ranked<T>(UnitEvidence[] units, Func<UnitEvidence, ImmutableArray<T>> of)
    {
        foreach (UnitEvidence unit in units)
        {
            ImmutableArray<T> values = of(unit);
            for (int rank = 0; rank < values.Length; rank++) yield return new(unit, rank, values[rank]);
        }
    }

    private static ParquetTable<T> Keyed<T>(IEnumerable<T> rows, Func<T, UnitEvidence> unit, bool searched = false) => new ParquetTable<T>(rows, searched)
        .Add("kind", row => NameOf(unit(row).Kind))
        .Add("unit", row => unit(row).Index);

    private string Joined(ImmutableArray<int> tokens)
    {
        var parts = new string[tokens.Length];
        for (int i = 0; i < parts.Length; i++) parts[i] = Text(tokens[i]);
        return string.Concat(parts);
    }

    private string Text(int token) => (uint)token < (uint)texts.Length ? texts[token] : FeatureIndex.TextOf(token, vocabulary);

    // Rows, in types of their own: the code for these can be compiled ahead, that for tuples cannot.
    private readonly record struct Row<T>(UnitEvidence Unit, int Rank, T Value);

    private readonly record struct ContextRow(UnitEvidence Unit, int Band, ContextGroup? Group, int Rank, ContextEvidence Context);

    private readonly record struct EffectRow(UnitEvidence Unit, bool Promoted, int Rank, LogitEffect Effect);

    private readonly record struct BinRow(UnitEvidence Unit, string Of, int Bin, long Count);
}

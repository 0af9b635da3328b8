using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>The tables of a <see cref="FeatureIndex"/>, from columns back to records.</summary>
internal static class IndexReader
{
    internal static (ImmutableArray<UnitEvidence> Features, ImmutableArray<UnitEvidence> Neurons, ImmutableSortedDictionary<int, string> Vocabulary) Read(string folder)
    {
        var vocabulary = new ParquetColumns(folder, IndexTables.VocabularyFile);
        IEnumerable<KeyValuePair<int, string>> texts = vocabulary.Read<int>("token").Zip(vocabulary.ReadText("text"), KeyValuePair.Create);
        var parts = new UnitParts(ReadHistograms(folder), ReadTokens(folder), ReadContexts(folder), ReadLogits(folder), ReadFirings(folder), ReadNeighbours(folder));
        return (
            ReadUnits(folder, IndexTables.FeatureFile, UnitKind.Feature, parts),
            ReadUnits(folder, IndexTables.NeuronFile, UnitKind.Neuron, parts),
            texts.ToImmutableSortedDictionary());
    }

    private static ImmutableArray<UnitEvidence> ReadUnits(string folder, string file, UnitKind kind, UnitParts parts)
    {
        var table = new ParquetColumns(folder, file);
        int[] index = table.Read<int>(IndexTables.NameOf(kind)), bins = table.Read<int>("histogram_bins"), logitBins = table.Read<int>("logit_bins");
        long[] firings = table.Read<long>("firings");
        double[] density = table.Read<double>("density"), mean = table.Read<double>("mean"), max = table.Read<double>("max");
        double[] low = table.Read<double>("histogram_low"), high = table.Read<double>("histogram_high");
        double?[] entropy = table.ReadNullable<double>("token_entropy"), logitLow = table.ReadNullable<double>("logit_low"), logitHigh = table.ReadNullable<double>("logit_high");
        double?[] purity = table.ReadNullable<double>("purity"), consistency = table.ReadNullable<double>("decile_consistency");
        double?[] byToken = table.ReadNullable<double>("token_predictability"), byContext = table.ReadNullable<double>("context_predictability");
        double?[] x = table.ReadNullable<double>("map_x"), y = table.ReadNullable<double>("map_y");
        double?[][] quantiles = [.. FeatureScanOptions.QuantileLevels.Select(level => table.ReadNullable<double>(IndexTables.QuantileName(level)))];
        UnitEvidence One(int unit, int row)
        {
            var contexts = parts.Contexts.Of(kind, unit);
            return new UnitEvidence
            {
                Kind = kind,
                Index = unit,
                Firings = firings[row],
                Density = density[row],
                Mean = mean[row],
                Max = max[row],
                TokenEntropy = entropy[row],
                Purity = purity[row],
                DecileConsistency = consistency[row],
                TokenPredictability = byToken[row],
                ContextPredictability = byContext[row],
                Quantiles = [.. quantiles.Select(column => column[row]).OfType<double>()],
                Histogram = [.. Filled(bins[row], parts.Histograms.Of(kind, unit), logit: false)],
                HistogramLow = low[row],
                HistogramHigh = high[row],
                Tokens = [.. parts.Tokens.Of(kind, unit)],
                Contexts = [.. contexts.ToArray().Where(context => context.Band == 0).Select(context => context.Context)],
                Groups = GroupsOf(contexts),
                Sample = [.. parts.Firings.Of(kind, unit)],
                Neighbours = [.. parts.Neighbours.Of(kind, unit)],
                Promoted = Effects(parts.Logits.Of(kind, unit), promoted: true),
                Suppressed = Effects(parts.Logits.Of(kind, unit), promoted: false),
                Logits = logitLow[row] is { } least ? new(least, logitHigh[row]!.Value, [.. Filled(logitBins[row], parts.Histograms.Of(kind, unit), logit: true).Select(count => (int)count)]) : null,
                Map = x[row] is { } across ? new(across, y[row]!.Value) : null,
            };
        }
        return [.. index.Select(One)];
    }

    private static ImmutableArray<ContextGroup> GroupsOf(ReadOnlySpan<BandContext> contexts) =>
    [
        .. contexts.ToArray().Where(context => context.Band > 0).GroupBy(context => context.Band)
            .Select(group => new ContextGroup(group.First().Low, group.First().High, group.First().Share, [.. group.Select(context => context.Context)])),
    ];

    private static ImmutableArray<LogitEffect> Effects(ReadOnlySpan<(bool Promoted, LogitEffect Effect)> rows, bool promoted)
    {
        var effects = ImmutableArray.CreateBuilder<LogitEffect>();
        foreach ((bool side, LogitEffect effect) in rows)
        {
            if (side == promoted) effects.Add(effect);
        }
        return effects.DrainToImmutable();
    }

    private static long[] Filled(int bins, ReadOnlySpan<(bool Logit, int Bin, long Count)> counts, bool logit)
    {
        var histogram = new long[bins];
        foreach ((bool side, int bin, long count) in counts)
        {
            if (side == logit) histogram[bin] = count;
        }
        return histogram;
    }

    private static UnitRows<(bool Logit, int Bin, long Count)> ReadHistograms(string folder)
    {
        var table = new ParquetColumns(folder, IndexTables.HistogramFile);
        string[] of = table.ReadText("of");
        int[] bin = table.Read<int>("bin");
        long[] count = table.Read<long>("count");
        return new(table, row => (of[row] == "logit", bin[row], count[row]));
    }

    private static UnitRows<TokenEvidence> ReadTokens(string folder)
    {
        var table = new ParquetColumns(folder, IndexTables.TokenFile);
        int[] token = table.Read<int>("token");
        long[] count = table.Read<long>("count"), occurrences = table.Read<long>("occurrences");
        double[] mean = table.Read<double>("mean"), max = table.Read<double>("max");
        return new(table, row => new TokenEvidence(token[row], count[row], occurrences[row], mean[row], max[row]));
    }

    private static UnitRows<(bool Promoted, LogitEffect Effect)> ReadLogits(string folder)
    {
        var table = new ParquetColumns(folder, IndexTables.LogitFile);
        bool[] promoted = table.Read<bool>("promoted");
        int[] token = table.Read<int>("token");
        double[] logit = table.Read<double>("logit");
        return new(table, row => (promoted[row], new LogitEffect(token[row], logit[row])));
    }

    private static UnitRows<FiringEvidence> ReadFirings(string folder)
    {
        var table = new ParquetColumns(folder, IndexTables.FiringFile);
        int[] document = table.Read<int>("document"), position = table.Read<int>("position"), token = table.Read<int>("token");
        float[] activation = table.Read<float>("activation");
        return new(table, row => new FiringEvidence(document[row], position[row], token[row], activation[row]));
    }

    private static UnitRows<NeighbourEvidence> ReadNeighbours(string folder)
    {
        var table = new ParquetColumns(folder, IndexTables.NeighbourFile);
        Dictionary<string, Relation> relations = Enum.GetValues<Relation>().ToDictionary(IndexTables.NameOf);
        string[] relation = table.ReadText("relation"), kind = table.ReadText("neighbour_kind");
        int[] neighbour = table.Read<int>("neighbour");
        double[] value = table.Read<double>("value");
        long?[] together = table.ReadNullable<long>("together");
        return new(table, row => new NeighbourEvidence(relations[relation[row]], KindOf(kind[row]), neighbour[row], value[row], together[row]));
    }

    private static UnitRows<BandContext> ReadContexts(string folder)
    {
        var table = new ParquetColumns(folder, IndexTables.ContextFile);
        int[] document = table.Read<int>("document"), start = table.Read<int>("start"), peak = table.Read<int>("peak"), length = table.Read<int>("length"), band = table.Read<int>("band");
        double?[] low = table.ReadNullable<double>("low"), high = table.ReadNullable<double>("high"), share = table.ReadNullable<double>("share"), ablation = table.ReadNullable<double>("ablation_loss");
        int[] tokens = table.ReadLists<int>("tokens", length);
        float[] activations = table.ReadLists<float>("activations", length);
        int next = 0;
        return new(table, row =>
        {
            Range stretch = next..(next += length[row]);
            var context = new ContextEvidence(document[row], start[row], peak[row], [.. tokens.AsSpan(stretch)], [.. activations.AsSpan(stretch)], ablation[row]);
            return new BandContext(band[row], low[row] ?? 0, high[row] ?? 0, share[row] ?? 0, context);
        });
    }

    private static UnitKind KindOf(string name) => name == IndexTables.NameOf(UnitKind.Feature) ? UnitKind.Feature : UnitKind.Neuron;

    /// <summary>Rows of a table by the unit they belong to; a unit's rows stand together, in the order of their rank.</summary>
    private sealed class UnitRows<T>
    {
        private readonly Dictionary<(UnitKind, int), Range> ranges = [];
        private readonly T[] values;

        internal UnitRows(ParquetColumns table, Func<int, T> value)
        {
            string[] kind = table.ReadText("kind");
            int[] unit = table.Read<int>("unit");
            values = new T[unit.Length];
            for (int row = 0; row < values.Length; row++) values[row] = value(row);
            for (int first = 0, last; first < values.Length; first = last)
            {
                last = first + 1;
                while (last < values.Length && unit[last] == unit[first] && kind[last] == kind[first]) last++;
                ranges[(KindOf(kind[first]), unit[first])] = first..last;
            }
        }

        internal ReadOnlySpan<T> Of(UnitKind kind, int unit) => ranges.TryGetValue((kind, unit), out Range range) ? values.AsSpan(range) : [];
    }

    private sealed record BandContext(int Band, double Low, double High, double Share, ContextEvidence Context);

    private sealed record UnitParts(
        UnitRows<(bool Logit, int Bin, long Count)> Histograms,
        UnitRows<TokenEvidence> Tokens,
        UnitRows<BandContext> Contexts,
        UnitRows<(bool Promoted, LogitEffect Effect)> Logits,
        UnitRows<FiringEvidence> Firings,
        UnitRows<NeighbourEvidence> Neighbours);
}

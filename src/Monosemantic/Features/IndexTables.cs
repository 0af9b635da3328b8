using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>The tables of a <see cref="FeatureIndex"/>, between records and columns.</summary>
internal sealed record IndexTables(ImmutableArray<UnitEvidence> Features, ImmutableArray<UnitEvidence> Neurons, ImmutableSortedDictionary<int, string> Vocabulary)
{
    private const string FeatureKind = "feature", NeuronKind = "neuron";
    private const string FeatureFile = "features.parquet", NeuronFile = "neurons.parquet", HistogramFile = "histograms.parquet";
    private const string TokenFile = "tokens.parquet", ContextFile = "contexts.parquet", LogitFile = "logits.parquet", VocabularyFile = "vocabulary.parquet";

    /// <summary>File names of the tables.</summary>
    internal static ImmutableArray<string> Names { get; } = [FeatureFile, NeuronFile, HistogramFile, TokenFile, ContextFile, LogitFile, VocabularyFile];

    internal static ImmutableArray<IndexTable> Write(string folder, IndexTables tables)
    {
        UnitEvidence[] all = [.. tables.Features, .. tables.Neurons];
        return
        [
            Units(FeatureKind, tables.Features).Write(folder, FeatureFile),
            Units(NeuronKind, tables.Neurons).Write(folder, NeuronFile),
            Histograms(all).Write(folder, HistogramFile),
            Tokens(all).Write(folder, TokenFile),
            Contexts(all).Write(folder, ContextFile),
            Logits(all).Write(folder, LogitFile),
            new ParquetTable().Add("token", tables.Vocabulary.Keys.ToArray()).Add("text", tables.Vocabulary.Values.ToArray()).Write(folder, VocabularyFile),
        ];
    }

    internal static IndexTables Read(string folder)
    {
        var parts = new UnitParts(ReadHistograms(folder), ReadTokens(folder), ReadContexts(folder), ReadLogits(folder));
        var vocabulary = new ParquetColumns(folder, VocabularyFile);
        IEnumerable<KeyValuePair<int, string>> texts = vocabulary.Read<int>("token").Zip(vocabulary.ReadText("text"), KeyValuePair.Create);
        return new(
            ReadUnits(folder, FeatureFile, UnitKind.Feature, parts),
            ReadUnits(folder, NeuronFile, UnitKind.Neuron, parts),
            texts.ToImmutableSortedDictionary());
    }

    private static string NameOf(UnitKind kind) => kind == UnitKind.Feature ? FeatureKind : NeuronKind;

    private static ParquetTable Units(string key, ImmutableArray<UnitEvidence> units) => new ParquetTable()
        .Add(key, Column(units, unit => unit.Index))
        .Add("firings", Column(units, unit => unit.Firings))
        .Add("density", Column(units, unit => unit.Density))
        .Add("mean", Column(units, unit => unit.Mean))
        .Add("max", Column(units, unit => unit.Max))
        .AddNullable("token_entropy", Column(units, unit => unit.TokenEntropy))
        .Add("histogram_low", Column(units, unit => unit.HistogramLow))
        .Add("histogram_high", Column(units, unit => unit.HistogramHigh))
        .Add("histogram_bins", Column(units, unit => unit.Histogram.Length));

    private static ParquetTable Histograms(UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Histogram.Select((count, bin) => (unit, bin, count))).Where(row => row.count > 0).ToArray();
        return Keyed(rows, row => row.unit).Add("bin", Column(rows, row => row.bin)).Add("count", Column(rows, row => row.count));
    }

    private static ParquetTable Tokens(UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Tokens.Select((evidence, rank) => (unit, rank, evidence))).ToArray();
        return Keyed(rows, row => row.unit)
            .Add("rank", Column(rows, row => row.rank))
            .Add("token", Column(rows, row => row.evidence.Token))
            .Add("count", Column(rows, row => row.evidence.Count))
            .Add("occurrences", Column(rows, row => row.evidence.Occurrences))
            .Add("mean", Column(rows, row => row.evidence.Mean))
            .Add("max", Column(rows, row => row.evidence.Max));
    }

    private static ParquetTable Contexts(UnitEvidence[] units)
    {
        var rows = units.SelectMany(unit => unit.Contexts.Select((context, rank) => (unit, rank, context))).ToArray();
        int[] lengths = Column(rows, row => row.context.Tokens.Length);
        return Keyed(rows, row => row.unit)
            .Add("rank", Column(rows, row => row.rank))
            .Add("document", Column(rows, row => row.context.Document))
            .Add("start", Column(rows, row => row.context.Start))
            .Add("peak", Column(rows, row => row.context.Peak))
            .Add("length", lengths)
            .AddLists("tokens", Joined(rows, row => row.context.Tokens), lengths)
            .AddLists("activations", Joined(rows, row => row.context.Activations), lengths);
    }

    private static ParquetTable Logits(UnitEvidence[] units)
    {
        var rows = units
            .SelectMany(unit => Ranked(unit, true, unit.Promoted).Concat(Ranked(unit, false, unit.Suppressed)))
            .ToArray();
        return Keyed(rows, row => row.Unit)
            .Add("promoted", Column(rows, row => row.Promoted))
            .Add("rank", Column(rows, row => row.Rank))
            .Add("token", Column(rows, row => row.Effect.Token))
            .Add("logit", Column(rows, row => row.Effect.Logit));
    }

    private static IEnumerable<(UnitEvidence Unit, bool Promoted, int Rank, LogitEffect Effect)> Ranked(UnitEvidence unit, bool promoted, ImmutableArray<LogitEffect> effects) =>
        effects.Select((effect, rank) => (unit, promoted, rank, effect));

    private static ParquetTable Keyed<T>(T[] rows, Func<T, UnitEvidence> unit) => new ParquetTable()
        .Add("kind", Column(rows, row => NameOf(unit(row).Kind)))
        .Add("unit", Column(rows, row => unit(row).Index));

    private static TValue[] Column<TRow, TValue>(IReadOnlyList<TRow> rows, Func<TRow, TValue> value)
    {
        var column = new TValue[rows.Count];
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

    private static ImmutableArray<UnitEvidence> ReadUnits(string folder, string file, UnitKind kind, UnitParts parts)
    {
        var table = new ParquetColumns(folder, file);
        int[] index = table.Read<int>(NameOf(kind)), bins = table.Read<int>("histogram_bins");
        long[] firings = table.Read<long>("firings");
        double[] density = table.Read<double>("density"), mean = table.Read<double>("mean"), max = table.Read<double>("max");
        double[] low = table.Read<double>("histogram_low"), high = table.Read<double>("histogram_high");
        double?[] entropy = table.ReadNullable<double>("token_entropy");
        return
        [
            .. index.Select((unit, row) => new UnitEvidence
            {
                Kind = kind,
                Index = unit,
                Firings = firings[row],
                Density = density[row],
                Mean = mean[row],
                Max = max[row],
                TokenEntropy = entropy[row],
                Histogram = Filled(bins[row], parts.Histograms.Of(kind, unit)),
                HistogramLow = low[row],
                HistogramHigh = high[row],
                Tokens = [.. parts.Tokens.Of(kind, unit)],
                Contexts = [.. parts.Contexts.Of(kind, unit)],
                Promoted = Effects(parts.Logits.Of(kind, unit), promoted: true),
                Suppressed = Effects(parts.Logits.Of(kind, unit), promoted: false),
            }),
        ];
    }

    private static ImmutableArray<LogitEffect> Effects(ReadOnlySpan<(bool Promoted, LogitEffect Effect)> rows, bool promoted)
    {
        var effects = ImmutableArray.CreateBuilder<LogitEffect>();
        foreach ((bool side, LogitEffect effect) in rows)
        {
            if (side == promoted) effects.Add(effect);
        }
        return effects.DrainToImmutable();
    }

    private static ImmutableArray<long> Filled(int bins, ReadOnlySpan<(int Bin, long Count)> counts)
    {
        var histogram = new long[bins];
        foreach ((int bin, long count) in counts) histogram[bin] = count;
        return ImmutableArray.Create(histogram);
    }

    private static UnitRows<(int Bin, long Count)> ReadHistograms(string folder)
    {
        var table = new ParquetColumns(folder, HistogramFile);
        int[] bin = table.Read<int>("bin");
        long[] count = table.Read<long>("count");
        return new(table, row => (bin[row], count[row]));
    }

    private static UnitRows<TokenEvidence> ReadTokens(string folder)
    {
        var table = new ParquetColumns(folder, TokenFile);
        int[] token = table.Read<int>("token");
        long[] count = table.Read<long>("count"), occurrences = table.Read<long>("occurrences");
        double[] mean = table.Read<double>("mean"), max = table.Read<double>("max");
        return new(table, row => new TokenEvidence(token[row], count[row], occurrences[row], mean[row], max[row]));
    }

    private static UnitRows<(bool Promoted, LogitEffect Effect)> ReadLogits(string folder)
    {
        var table = new ParquetColumns(folder, LogitFile);
        bool[] promoted = table.Read<bool>("promoted");
        int[] token = table.Read<int>("token");
        double[] logit = table.Read<double>("logit");
        return new(table, row => (promoted[row], new LogitEffect(token[row], logit[row])));
    }

    private static UnitRows<ContextEvidence> ReadContexts(string folder)
    {
        var table = new ParquetColumns(folder, ContextFile);
        int[] document = table.Read<int>("document"), start = table.Read<int>("start"), peak = table.Read<int>("peak"), length = table.Read<int>("length");
        int[] tokens = table.ReadLists<int>("tokens", length);
        float[] activations = table.ReadLists<float>("activations", length);
        int next = 0;
        return new(table, row =>
        {
            Range stretch = next..(next += length[row]);
            return new(document[row], start[row], peak[row], [.. tokens.AsSpan(stretch)], [.. activations.AsSpan(stretch)]);
        });
    }

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
                ranges[(kind[first] == FeatureKind ? UnitKind.Feature : UnitKind.Neuron, unit[first])] = first..last;
            }
        }

        internal ReadOnlySpan<T> Of(UnitKind kind, int unit) => ranges.TryGetValue((kind, unit), out Range range) ? values.AsSpan(range) : [];
    }

    private sealed record UnitParts(
        UnitRows<(int Bin, long Count)> Histograms,
        UnitRows<TokenEvidence> Tokens,
        UnitRows<ContextEvidence> Contexts,
        UnitRows<(bool Promoted, LogitEffect Effect)> Logits);
}

using System.Diagnostics;
using System.Globalization;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Features;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Benchmarks;

/// <summary>What a scan costs beside encoding the same rows and nothing else. Ratios are medians over interleaved rounds.</summary>
internal sealed record ScanCost
{
    /// <summary>What was scanned.</summary>
    public required string Name { get; init; }

    /// <summary>Width of the activations.</summary>
    public int DModel { get; init; }

    /// <summary>Features.</summary>
    public int DSae { get; init; }

    /// <summary>Features kept per token.</summary>
    public int K { get; init; }

    /// <summary>Rows of the store.</summary>
    public long Rows { get; init; }

    /// <summary>Seconds to read and encode every row.</summary>
    public double EncodeSeconds { get; init; }

    /// <summary>Time of the whole pass over the store for all features at once, with each one's correlation with every dimension, all evidence made of it, over that of encoding alone.</summary>
    public double ScanOverEncode { get; init; }

    /// <summary>The same with the evidence of the raw neurons in the same pass.</summary>
    public double ScanWithNeuronsOverEncode { get; init; }

    /// <summary>Processor time of all threads for the same, over that of encoding alone: what another program on the machine takes does not count.</summary>
    public double ProcessorScanWithNeuronsOverEncode { get; init; }

    /// <summary>
    /// Time of the whole command for features alone (models loaded, the pass, logit effects, nearest features, map, ablation, index
    /// written) over that of encoding alone; null where there is no model. Parts that do not grow with the store weigh less on a longer one.
    /// </summary>
    public double? CommandOverEncode { get; init; }

    /// <summary>The same in processor time.</summary>
    public double? ProcessorCommandOverEncode { get; init; }

    /// <summary>Managed memory after the pass less that before it, in bytes.</summary>
    public long MemoryBytes { get; init; }
}

/// <summary>Everything that is measured about the scan and its index.</summary>
internal sealed record ScanResult
{
    /// <summary>One entry per store and dictionary.</summary>
    public required List<ScanCost> Costs { get; init; }

    /// <summary>Features in the index that was queried.</summary>
    public int IndexFeatures { get; init; }

    /// <summary>Median milliseconds of ready questions to it, the database open, by question.</summary>
    public required Dictionary<string, double> QueryMilliseconds { get; init; }

    /// <summary>Milliseconds to open the database.</summary>
    public double OpenMilliseconds { get; init; }
}

/// <summary>Measures the scan.</summary>
internal static class ScanBenchmark
{
    private const int Batch = 4096;

    internal static int Run(string[] options)
    {
        bool quick = options.Contains("--quick");
        int json = Array.IndexOf(options, "--json");
        if (json >= 0 && json == options.Length - 1) throw new UserErrorException("--json has no file name", "write --json FILE");
        string folder = Directory.CreateTempSubdirectory("monosemantic-benchmark-").FullName;
        try
        {
            int rounds = quick ? 3 : 5;
            int rows = Array.IndexOf(options, "--rows") is var at && at >= 0 ? int.Parse(options[at + 1], CultureInfo.InvariantCulture) : quick ? 80_000 : 240_000;
            List<ScanCost> costs = [Sample(folder, rows, rounds)];
            if (options.Contains("--demo")) return 0;
            costs.Add(Large(folder, quick ? 16_384 : 131_072, quick ? 1 : 3));
            ScanResult result = Queries(folder, new() { Costs = costs, QueryMilliseconds = [] }, quick ? 8_192 : 32_768);
            Console.Out.Write(JsonFile.ToText(result));
            if (json >= 0) JsonFile.Write(options[json + 1], result);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // The demo's size, on the sample model's own activations.
    private static ScanCost Sample(string folder, int rows, int rounds)
    {
        (string path, string saved) = SampleDictionary.Make(folder, rows);
        using ActivationStore store = ActivationStore.Open(path);
        using SparseAutoencoder sae = SparseAutoencoder.Load(saved);
        int runs = 0;
        return Measure("sample model", store, sae, rounds, () =>
        {
            string index = Path.Combine(folder, $"index-{runs++}");
            ScanRun.Execute(new ScanConfig { Sae = saved, Activations = path, Model = SampleModelFolder.Find() }, index, null);
            Directory.Delete(index, recursive: true);
            return 0;
        });
    }

    // A large dictionary on random rows: every token fires features that have nothing to do with each other, the worst case for memory.
    private static ScanCost Large(string folder, int rows, int rounds)
    {
        const int width = 512, features = 32_768, kept = 32, vocabulary = 4000;
        string path = Path.Combine(folder, "large");
        var random = new SeededRandom(1);
        using (ActivationWriter writer = ActivationWriter.Create(path, SparseStore.Plan(width, StoreDtype.F32)))
        {
            float[] values = new float[Batch * width];
            for (int start = 0; start < rows; start += Batch)
            {
                for (int i = 0; i < values.Length; i++) values[i] = (float)random.NextNormal();
                int[] row = [.. Enumerable.Range(start, Batch)];
                writer.Add(values, [.. row.Select(i => i / 512)], [.. row.Select(i => i % 512)], [.. row.Select(_ => (int)(vocabulary * random.NextDouble() * random.NextDouble()))]);
            }
            writer.Complete();
        }
        using ActivationStore store = ActivationStore.Open(path);
        float[] weights = new float[width * features];
        for (int i = 0; i < weights.Length; i++) weights[i] = (float)random.NextNormal() / 22;
        using Tensor encoder = tensor(weights, [width, features]), decoder = encoder.t().contiguous(), bias = zeros(features), shift = zeros(width);
        using SparseAutoencoder sae = SparseAutoencoder.FromWeights(new SaeConfig { DModel = width, DSae = features, K = kept }, encoder, bias, decoder, shift);
        return Measure("32k random features", store, sae, rounds, null);
    }

    private static ScanCost Measure(string name, ActivationStore store, SparseAutoencoder sae, int rounds, Func<int>? command)
    {
        StoreStatistics statistics = store.Manifest.Statistics;
        var neurons = NeuronBasis.OfResidual(statistics.Mean, [.. statistics.Variance.Select(Math.Sqrt)], sae.Config.K);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var kept = new EvidencePass(sae, neurons, new());
        foreach (ActivationBatch batch in store.Read(Batch)) kept.Add(batch);
        long memory = GC.GetTotalMemory(forceFullCollection: true) - before;
        GC.KeepAlive(kept);
        Func<int>[] operations = [() => Encode(store, sae), () => Scan(store, sae, null), () => Scan(store, sae, neurons), .. command is null ? Array.Empty<Func<int>>() : [command]];
        (double[][] times, double[][] spent) = Rounds(rounds, operations);
        double Ratio(double[][] of, int operation) => Median([.. of[operation].Zip(of[0], (whole, encode) => whole / encode)]);
        var cost = new ScanCost
        {
            Name = name,
            DModel = sae.Config.DModel,
            DSae = sae.Config.DSae,
            K = sae.Config.K,
            Rows = store.Manifest.Rows,
            EncodeSeconds = Median(times[0]),
            ScanOverEncode = Ratio(times, 1),
            ScanWithNeuronsOverEncode = Ratio(times, 2),
            ProcessorScanWithNeuronsOverEncode = Ratio(spent, 2),
            CommandOverEncode = command is null ? null : Ratio(times, 3),
            ProcessorCommandOverEncode = command is null ? null : Ratio(spent, 3),
            MemoryBytes = memory,
        };
        Stages(store, sae, neurons);
        Console.WriteLine($"{name}: encode {cost.EncodeSeconds:F2} s; scan {cost.ScanOverEncode:F2} times that, with neurons {cost.ScanWithNeuronsOverEncode:F2} times ({cost.ProcessorScanWithNeuronsOverEncode:F2} in processor time), the whole command {cost.CommandOverEncode:F2} times ({cost.ProcessorCommandOverEncode:F2}); {memory / 1e6:F0} MB kept");
        return cost;
    }

    // Where the time goes: each part of the pass by itself.
    private static void Stages(ActivationStore store, SparseAutoencoder sae, NeuronBasis neurons)
    {
        var features = new FeatureScan(UnitKind.Feature, sae.Config.DSae);
        var raw = new FeatureScan(UnitKind.Neuron, neurons.Width);
        var correlation = new CrossCorrelation(sae.Config.DSae, sae.Config.DModel);
        SparseCode? code = null, neuronCode = null;
        (string Name, Action<ActivationBatch> Run)[] stages =
        [
            ("encode features", batch => code = sae.EncodeSparse(batch.Span, batch.Rows)),
            ("encode neurons", batch => neuronCode = neurons.Encode(batch)),
            ("tally features", batch => features.Add(batch, code!)),
            ("tally neurons", batch => raw.Add(batch, neuronCode!)),
            ("correlate", batch => correlation.Add(batch, code!)),
        ];
        var spent = new double[stages.Length];
        foreach (ActivationBatch batch in store.Read(Batch))
        {
            for (int i = 0; i < stages.Length; i++) spent[i] += Spent(() => stages[i].Run(batch));
        }
        (string Name, double Spent)[] ends =
        [
            ("finish features", Spent(() => features.Finish())),
            ("finish neurons", Spent(() => raw.Finish())),
            ("finish correlations", Spent(() => correlation.Strongest(features.Moments(), 8))),
        ];
        Console.WriteLine("processor seconds: " + string.Join(", ", stages.Zip(spent, (stage, seconds) => (stage.Name, seconds)).Concat(ends).Select(part => $"{part.Item1} {part.Item2:F2}")));
    }

    // Of all threads: another program on the machine does not count.
    private static double Spent(Action work)
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        work();
        return (Environment.CpuUsage.TotalTime - before).TotalSeconds;
    }

    private static ScanResult Queries(string folder, ScanResult result, int features)
    {
        string path = Path.Combine(folder, "index");
        LargeIndex.Write(path, features);
        long start = Stopwatch.GetTimestamp();
        using var database = FeatureDatabase.Open(path);
        double open = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        (string Name, string Sql)[] questions =
        [
            ("list", "from features order by max desc, feature limit 20"),
            ("show", "from features where feature = 7"),
            ("contexts of one", "select band, activation, text from contexts where kind = 'feature' and unit = 7 order by band, rank"),
            ("find by token", "select unit, count, recall, precision from tokens join features on feature = unit where kind = 'feature' and text = ' word17' order by tokens.mean * count desc, unit limit 20"),
            ("find by text", "select unit, max(activation) as activation from contexts where kind = 'feature' and contains(text, 'word3 word') group by unit order by activation desc, unit limit 20"),
            ("similar", "from neighbours where kind = 'feature' and unit = 7 order by relation, rank"),
            ("aggregate", "select count(*), avg(density), median(max), max(mean) from features where firings > 0"),
        ];
        foreach ((string name, string sql) in questions)
        {
            double[] times = Rounds(9, () => database.Query(sql).Rows.Length).Seconds[0];
            result.QueryMilliseconds[name] = 1000 * Median(times);
            Console.WriteLine($"{name}: {1000 * Median(times):F1} ms over {features:N0} features");
        }
        return result with { IndexFeatures = features, OpenMilliseconds = open };
    }

    private static int Encode(ActivationStore store, SparseAutoencoder sae) => store.Read(Batch).Sum(batch => sae.EncodeSparse(batch.Span, batch.Rows).Rows);

    private static int Scan(ActivationStore store, SparseAutoencoder sae, NeuronBasis? neurons)
    {
        var pass = new EvidencePass(sae, neurons, new());
        foreach (ActivationBatch batch in store.Read(Batch)) pass.Add(batch);
        return pass.Finish(null, null).Features.Length;
    }

    // Each round runs everything once, so that a busy machine slows all of it; the first round fills caches and does not count.
    private static (double[][] Seconds, double[][] Processor) Rounds(int rounds, params Func<int>[] operations)
    {
        double[][] times = [.. operations.Select(_ => new double[rounds])], spent = [.. operations.Select(_ => new double[rounds])];
        for (int round = -1; round < rounds; round++)
        {
            for (int i = 0; i < operations.Length; i++)
            {
                long start = Stopwatch.GetTimestamp();
                double processor = Spent(() => operations[i]());
                if (round >= 0) (times[i][round], spent[i][round]) = (Stopwatch.GetElapsedTime(start).TotalSeconds, processor);
            }
        }
        return (times, spent);
    }

    private static double Median(double[] times) => times.Order().ElementAt(times.Length / 2);
}

using System.Diagnostics;
using System.Numerics.Tensors;
using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Benchmarks;

/// <summary>Everything that is measured about the activation store, in one run. Ratios are medians over interleaved rounds.</summary>
internal sealed record StoreResult
{
    /// <summary>Time of an extraction over that of the same forward passes.</summary>
    public double ExtractionOverForward { get; init; }

    /// <summary>Peak memory of an extraction of many rows less that of a tenth of them, in bytes.</summary>
    public long MemoryGrowthBytes { get; init; }

    /// <summary>Rows of the larger of the two.</summary>
    public long MemoryRows { get; init; }

    /// <summary>Raw read over reading in order, every value copied out.</summary>
    public double SequentialOfRaw { get; init; }

    /// <summary>Raw read and sum over reading in order where it lies and sum.</summary>
    public double InPlaceSumOfRawSum { get; init; }

    /// <summary>Raw read over shuffled reading.</summary>
    public double ShuffledOfRaw { get; init; }

    /// <summary>Bytes a second of the raw read.</summary>
    public double RawBytesPerSecond { get; init; }

    /// <summary>Lowest cosine of a row with its float32 value, by dtype.</summary>
    public required Dictionary<string, double> LowestCosine { get; init; }

    /// <summary>Mean cosine of a row with its float32 value, by dtype.</summary>
    public required Dictionary<string, double> MeanCosine { get; init; }

    /// <summary>Rows of the simulated store.</summary>
    public long HugeRows { get; init; }

    /// <summary>Seconds to open it.</summary>
    public double HugeOpenSeconds { get; init; }

    /// <summary>Seconds to its first shuffled batch.</summary>
    public double HugeFirstBatchSeconds { get; init; }

    /// <summary>Peak memory of a process that did only that, in bytes.</summary>
    public long HugePeakBytes { get; init; }
}

/// <summary>Measures the activation store.</summary>
internal static class StoreBenchmark
{
    private const int Batch = 2048, Buffer = 131072;

    internal static int Run(string[] options)
    {
        // A process of its own: memory that was ever taken counts.
        if (options is ["huge", var huge]) return Huge(huge);
        bool quick = options.Contains("--quick");
        int json = Array.IndexOf(options, "--json");
        if (json >= 0 && json == options.Length - 1) throw new UserErrorException("--json has no file name", "write --json FILE");
        string folder = Directory.CreateTempSubdirectory("monosemantic-benchmark-").FullName;
        try
        {
            var result = new StoreResult { LowestCosine = [], MeanCosine = [] };
            bool all = !options.Contains("--reading");
            if (all) result = MeasureMemory(result, folder, quick ? 1_000_000 : 10_000_000);
            result = MeasureReading(result, folder, quick ? 200_000 : 400_000, quick ? 3 : 9);
            if (all) result = MeasureHuge(result, folder);
            if (all) result = MeasureExtraction(result, folder, quick ? 20_000 : 80_000, quick ? 3 : 5);
            Console.Out.Write(JsonFile.ToText(result));
            if (json >= 0) JsonFile.Write(options[json + 1], result);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static StoreResult MeasureMemory(StoreResult result, string folder, int rows)
    {
        long few = SimulatedExtraction.PeakBytes(Path.Combine(folder, "few"), rows / 10), many = SimulatedExtraction.PeakBytes(Path.Combine(folder, "many"), rows);
        Console.WriteLine($"peak memory of extracting {rows / 10:N0} rows {few / 1e6:F0} MB, {rows:N0} rows {many / 1e6:F0} MB");
        return result with { MemoryGrowthBytes = many - few, MemoryRows = rows };
    }

    private static StoreResult MeasureReading(StoreResult result, string folder, int rows, int rounds)
    {
        string path = Path.Combine(folder, "reading");
        Write(path, rows);
        using ActivationStore store = ActivationStore.Open(path);
        var reader = new RawRead([.. store.Manifest.Shards.Select(shard => Path.Combine(path, shard.File))]);
        double[][] times = Rounds(rounds,
            () => reader.Run(sum: false),
            () => Consume(store.Read(Batch), batch => batch.Values[0]),
            () => Consume(store.Shuffled(Batch, Buffer, 1, epochs: 1), batch => batch.Values[0]),
            () => reader.Run(sum: true),
            () => Consume(store.Read(Batch), batch => TensorPrimitives.Sum(batch.Span)));
        double bytes = store.Manifest.Shards.Sum(shard => (double)shard.Bytes);
        Console.WriteLine($"raw read {bytes / Median(times[0]) / 1e9:F2} GB/s, in order {bytes / Median(times[1]) / 1e9:F2} GB/s, shuffled {bytes / Median(times[2]) / 1e9:F2} GB/s");
        return result with
        {
            RawBytesPerSecond = bytes / Median(times[0]),
            SequentialOfRaw = Ratio(times[0], times[1]),
            ShuffledOfRaw = Ratio(times[0], times[2]),
            InPlaceSumOfRawSum = Ratio(times[3], times[4]),
        };
    }

    private static StoreResult MeasureHuge(StoreResult result, string folder)
    {
        string path = Directory.CreateDirectory(Path.Combine(folder, "huge")).FullName;
        SparseStore.Make(path, 1_000_013_824, 512);
        string[] program = [.. Environment.GetCommandLineArgs()[..1]];
        var start = new ProcessStartInfo(Environment.ProcessPath!, [.. program, "store", "huge", path]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string[] figures = process.StandardOutput.ReadToEnd().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException("the process that reads the simulated store failed");
        Console.WriteLine($"simulated store of {figures[0]} rows: open {figures[1]} s, first batch {figures[2]} s, peak memory {double.Parse(figures[3]) / 1e6:F0} MB");
        return result with { HugeRows = long.Parse(figures[0]), HugeOpenSeconds = double.Parse(figures[1]), HugeFirstBatchSeconds = double.Parse(figures[2]), HugePeakBytes = long.Parse(figures[3]) };
    }

    private static int Huge(string path)
    {
        long start = Stopwatch.GetTimestamp();
        using ActivationStore store = ActivationStore.Open(path);
        double open = Stopwatch.GetElapsedTime(start).TotalSeconds;
        start = Stopwatch.GetTimestamp();
        ActivationBatch batch = store.Shuffled(4096, Buffer, 1).First();
        if (batch.Rows != 4096 || batch.Values.Any(value => value != 0)) return 1;
        Console.WriteLine($"{store.Manifest.Rows} {open:F3} {Stopwatch.GetElapsedTime(start).TotalSeconds:F3} {ProcessMemory.Peak}");
        return 0;
    }

    private static StoreResult MeasureExtraction(StoreResult result, string folder, int rows, int rounds)
    {
        using Extraction extraction = Extraction.Open(new ExtractionConfig { Model = SampleModelFolder.Find(), Hooks = ["blocks.2.hook_resid_post"], Rows = rows, HeldOutFraction = 0, RowsPerShard = 16384 });
        int run = 0;
        double[][] times = Rounds(rounds, () => Forward(extraction), () =>
        {
            extraction.Run(Path.Combine(folder, $"extraction-{run++}"));
            return 0;
        });
        Console.WriteLine($"{rows:N0} rows of the sample model: forward passes alone {Median(times[0]):F2} s, extraction {Median(times[1]):F2} s");
        Precision precision = Precision.Of(extraction, 20_000);
        return result with { ExtractionOverForward = Ratio(times[1], times[0]), LowestCosine = precision.Lowest, MeanCosine = precision.Mean };
    }

    // The same passes as the extraction, and nothing kept.
    private static float Forward(Extraction extraction)
    {
        SplitSchedule split = extraction.Schedule[StoreSplit.Training];
        int group = 0;
        float sum = 0;
        foreach (KeptRows rows in split.From(0))
        {
            if (split.FirstRow(group++) >= split.RowLimit) break;
            extraction.Source.Compute(rows.Contexts, (_, values) => sum += values[0]);
        }
        return sum;
    }

    private static void Write(string folder, int rows)
    {
        const int dModel = 512;
        var random = new SeededRandom(1);
        float[] values = new float[4096 * dModel];
        for (int i = 0; i < values.Length; i++) values[i] = (float)random.NextNormal();
        int[] origins = new int[4096];
        using ActivationWriter writer = ActivationWriter.Create(folder, SparseStore.Plan(dModel, StoreDtype.F32));
        for (int row = 0; row < rows; row += origins.Length) writer.Add(values, origins, origins, origins);
        writer.Complete();
    }

    private static float Consume(IEnumerable<ActivationBatch> batches, Func<ActivationBatch, float> look)
    {
        float sum = 0;
        foreach (ActivationBatch batch in batches) sum += look(batch);
        return sum;
    }

    // Each round runs everything once, so that a busy machine slows all of it; the first round fills caches and does not count.
    private static double[][] Rounds(int rounds, params Func<float>[] operations)
    {
        double[][] times = [.. operations.Select(_ => new double[rounds])];
        for (int round = -1; round < rounds; round++)
        {
            for (int i = 0; i < operations.Length; i++)
            {
                long start = Stopwatch.GetTimestamp();
                operations[i]();
                if (round >= 0) times[i][round] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }
        return times;
    }

    private static double Ratio(double[] over, double[] under) => Median([.. over.Zip(under, (a, b) => a / b)]);

    private static double Median(double[] times) => times.Order().ElementAt(times.Length / 2);
}

using System.Diagnostics;
using Monosemantic.Runtime;
using Monosemantic.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Benchmarks;

/// <summary>One measured configuration; times are medians in milliseconds.</summary>
/// <param name="Architecture">Architecture.</param>
/// <param name="DModel">Width of the activations.</param>
/// <param name="DSae">Number of features.</param>
/// <param name="K">Features per token.</param>
/// <param name="Batch">Tokens in a batch.</param>
/// <param name="StepMs">Whole step: load, forward, backward, Adam, unit norm.</param>
/// <param name="EncoderMs">The encoder product alone, by libtorch on all cores into memory it already has.</param>
/// <param name="Ratio">Step over encoder product.</param>
/// <param name="DenseAutogradMs">The same step as plain tensor code with autograd.</param>
/// <param name="PeakBytes">Growth of the process's peak memory by the step and its weights, batch included.</param>
internal sealed record TrainStepResult(
    string Architecture, int DModel, int DSae, int K, int Batch, double StepMs, double EncoderMs, double Ratio, double DenseAutogradMs, long PeakBytes);

/// <summary>
/// How long a training step takes, beside its encoder product and beside the same step written as dense autograd code, the
/// three interleaved in one process so that a busy machine slows all of them.
/// </summary>
internal static class TrainStepBenchmark
{
    private static readonly (int DModel, int DSae, int Batch)[] Small = [(192, 2048, 2048), (512, 8192, 2048)];
    private static readonly (int DModel, int DSae, int Batch)[] Full = [.. Small, (768, 24576, 4096)];

    private static readonly (string Name, SaeTrainingConfig Config, int L0)[] Architectures =
    [
        ("topk", new(), 32),
        ("batch_topk", new() { Architecture = "batch_topk" }, 32),
        ("matryoshka_batch_topk", new() { Architecture = "matryoshka_batch_topk" }, 32),
        ("jumprelu", new() { Architecture = "jumprelu", Sparsity = new() { Coefficient = 1e-3 } }, 32),
        ("relu", new() { Architecture = "relu", Sparsity = new() { Coefficient = 1e-3 } }, 64),
        ("gated", new() { Architecture = "gated", Sparsity = new() { Coefficient = 1e-3 } }, 64),
    ];

    internal static int Run(string[] options)
    {
        TorchRuntime.Load();
        bool quick = options.Contains("--quick");
        int json = Array.IndexOf(options, "--json"), only = Array.IndexOf(options, "--only");
        if (json == options.Length - 1 || only == options.Length - 1) throw new UserErrorException("--json has no file name, or --only no architecture", "write --json FILE, --only topk");
        var results = new List<TrainStepResult>();
        Console.WriteLine("architecture           d_model  d_sae    k batch  step_ms encoder_ms ratio dense_autograd_ms peak_MB bytes/parameter");
        (int DModel, int DSae, int Batch)[] sizes = quick ? Small : Full;
        var cases = Architectures.Where(one => only < 0 || one.Name == options[only + 1]).SelectMany(one => sizes.Select(size => (one, size))).ToArray();
        // Memory first, from small to large: the allocator keeps what was freed, so that after the dense steps nothing could be seen.
        long[] peaks = [.. cases.Select(one => Peak(one.one.Config, one.one.L0, one.size))];
        foreach ((((string Name, SaeTrainingConfig Config, int L0) one, (int DModel, int DSae, int Batch) size), long peak) in cases.Zip(peaks))
        {
            TrainStepResult result = Measure(one.Name, one.Config, one.L0, size, quick ? 5 : 9) with { PeakBytes = peak };
            results.Add(result);
            double perParameter = result.PeakBytes / (2.0 * size.DModel * size.DSae);
            Console.WriteLine($"{one.Name,-22} {size.DModel,7} {size.DSae,6} {one.L0,4} {size.Batch,5} {result.StepMs,8:F1} {result.EncoderMs,10:F1} {result.Ratio,5:F2} {result.DenseAutogradMs,17:F1} {result.PeakBytes / 1e6,7:F0} {perParameter,15:F1}");
        }
        if (json >= 0) JsonFile.Write(options[json + 1], results);
        return 0;
    }

    private static TrainStepResult Measure(string name, SaeTrainingConfig config, int l0, (int DModel, int DSae, int Batch) size, int rounds)
    {
        using DisposeScope scope = NewDisposeScope();
        (int dModel, int dSae, int batch) = size;
        float[] values = Activations(dModel, batch);
        using SaeLearner learner = Start(config, l0, size);
        for (int i = 0; i < 2; i++) Step(learner, values, batch);
        Tensor x = TensorMemory.FromFloats(values, batch, dModel), wEnc = learner.Weights.Encoder.t().contiguous(), product = empty(batch, dSae);
        using var dense = new DenseAutogradStep(learner.Weights, l0);
        product.addmm_(x, wEnc, beta: 0f, alpha: 1f);
        double[][] times = [new double[rounds], new double[rounds], new double[rounds]];
        for (int round = 0; round < rounds; round++)
        {
            times[0][round] = Time(() => Step(learner, values, batch));
            times[1][round] = Time(() => product.addmm_(x, wEnc, beta: 0f, alpha: 1f));
            times[2][round] = round < 5 ? Time(() => dense.Run(x)) : times[2][round - 5];
        }
        double step = Median(times[0]), encoder = Median(times[1]);
        return new(name, dModel, dSae, l0, batch, step, encoder, step / encoder, Median(times[2]), 0);
    }

    private static long Peak(SaeTrainingConfig config, int l0, (int DModel, int DSae, int Batch) size)
    {
        float[] values = Activations(size.DModel, size.Batch);
        long before = Memory("VmRSS:");
        ResetPeak();
        using SaeLearner learner = Start(config, l0, size);
        for (int i = 0; i < 3; i++) Step(learner, values, size.Batch);
        return Memory("VmHWM:") - before;
    }

    // Where no k says how many features fire, bias or threshold are set so that about that many do.
    private static unsafe SaeLearner Start(SaeTrainingConfig config, int l0, (int DModel, int DSae, int Batch) size)
    {
        double bar = new MathNet.Numerics.Distributions.Normal().InverseCumulativeDistribution(1 - (l0 / (double)size.DSae));
        config = config with { DSae = size.DSae, K = l0, Batch = size.Batch, JumpRelu = config.JumpRelu with { InitThreshold = bar } };
        var learner = new SaeLearner(config, size.DModel);
        SaeInitialisation.Fill(learner.Weights, config);
        if (config.Architecture is "relu" or "gated") learner.Weights.BEnc.fill_(-bar);
        return learner;
    }

    private static void Step(SaeLearner learner, float[] values, int rows)
    {
        learner.Load(values, rows, 1);
        learner.Compute();
        learner.Update(1e-4);
    }

    private static float[] Activations(int dModel, int rows)
    {
        var random = new SeededRandom(7);
        float[] values = new float[rows * dModel];
        for (int i = 0; i < values.Length; i++) values[i] = (float)random.NextNormal();
        return values;
    }

    private static double Time(Action operation)
    {
        using DisposeScope scope = NewDisposeScope();
        long start = Stopwatch.GetTimestamp();
        operation();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static double Median(double[] times) => times.Order().ElementAt(times.Length / 2);

    private static long Memory(string key)
    {
        if (!OperatingSystem.IsLinux()) return 0;
        string line = File.ReadLines("/proc/self/status").First(text => text.StartsWith(key, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
    }

    // Linux: writing 5 sets the peak resident size back to the present one.
    private static void ResetPeak()
    {
        if (OperatingSystem.IsLinux()) File.WriteAllText("/proc/self/clear_refs", "5");
    }
}

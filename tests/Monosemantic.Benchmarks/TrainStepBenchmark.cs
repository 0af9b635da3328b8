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
    private static readonly (int DModel, int DSae, int K, int Batch)[] Small = [(192, 2048, 32, 2048), (512, 8192, 32, 2048)];
    private static readonly (int DModel, int DSae, int K, int Batch)[] Full = [.. Small, (768, 24576, 32, 4096)];

    internal static int Run(string[] options)
    {
        TorchRuntime.Load();
        bool quick = options.Contains("--quick");
        int json = Array.IndexOf(options, "--json");
        if (json == options.Length - 1) throw new UserErrorException("--json has no file name", "write --json FILE");
        var results = new List<TrainStepResult>();
        Console.WriteLine("architecture d_model  d_sae    k batch  step_ms encoder_ms ratio dense_autograd_ms peak_MB bytes/parameter");
        var sizes = quick ? Small : Full;
        // Memory first, from small to large: the allocator keeps what was freed, so that after the dense steps nothing could be seen.
        long baseline = Memory("VmRSS:");
        long[] peaks = [.. sizes.Select(size => Peak(size.DModel, size.DSae, size.K, size.Batch) - baseline)];
        foreach (((int dModel, int dSae, int k, int batch), long peak) in sizes.Zip(peaks))
        {
            TrainStepResult result = Measure(dModel, dSae, k, batch, quick ? 5 : 11) with { PeakBytes = peak };
            results.Add(result);
            double perParameter = result.PeakBytes / (2.0 * dModel * dSae);
            Console.WriteLine($"{result.Architecture,-12} {dModel,7} {dSae,6} {k,4} {batch,5} {result.StepMs,8:F1} {result.EncoderMs,10:F1} {result.Ratio,5:F2} {result.DenseAutogradMs,17:F1} {result.PeakBytes / 1e6,7:F0} {perParameter,15:F1}");
        }
        if (json >= 0) JsonFile.Write(options[json + 1], results);
        return 0;
    }

    private static TrainStepResult Measure(int dModel, int dSae, int k, int batch, int rounds)
    {
        using DisposeScope scope = NewDisposeScope();
        var config = new SaeTrainingConfig { DSae = dSae, K = k, Batch = batch };
        float[] values = Activations(dModel, batch);
        using var learner = new SaeLearner(config, dModel);
        SaeInitialisation.Fill(learner.Weights, 1);
        Step(learner, values, batch);
        Tensor x = TensorMemory.FromFloats(values, batch, dModel), wEnc = learner.Weights.Encoder.t().contiguous(), product = empty(batch, dSae);
        using var dense = new DenseAutogradStep(learner.Weights, k);
        product.addmm_(x, wEnc, beta: 0f, alpha: 1f);
        var times = new double[3][];
        for (int i = 0; i < 3; i++) times[i] = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            times[0][round] = Time(() => Step(learner, values, batch));
            times[1][round] = Time(() => product.addmm_(x, wEnc, beta: 0f, alpha: 1f));
            times[2][round] = Time(() => dense.Run(x));
        }
        double step = Median(times[0]), encoder = Median(times[1]);
        return new("topk", dModel, dSae, k, batch, step, encoder, step / encoder, Median(times[2]), 0);
    }

    private static long Peak(int dModel, int dSae, int k, int batch)
    {
        float[] values = Activations(dModel, batch);
        ResetPeak();
        using var learner = new SaeLearner(new SaeTrainingConfig { DSae = dSae, K = k, Batch = batch }, dModel);
        SaeInitialisation.Fill(learner.Weights, 1);
        for (int i = 0; i < 3; i++) Step(learner, values, batch);
        return Memory("VmHWM:");
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

using System.Diagnostics;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Metrics;
using Monosemantic.Metrics.Synthetic;
using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using Monosemantic.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Benchmarks;

/// <summary>One measured configuration of the core evaluation; times are medians in milliseconds.</summary>
/// <param name="DModel">Width of the activations.</param>
/// <param name="DSae">Number of features.</param>
/// <param name="K">Features per token.</param>
/// <param name="Rows">Rows in a batch.</param>
/// <param name="EncodeMs">Encoding a batch.</param>
/// <param name="EvalMs">Encoding it and feeding every accumulator.</param>
/// <param name="Ratio">Evaluation over encoding.</param>
internal sealed record CoreEvalResult(int DModel, int DSae, int K, int Rows, double EncodeMs, double EvalMs, double Ratio);

/// <summary>One measured configuration of the spliced evaluation; times are medians in milliseconds.</summary>
/// <param name="Layers">Layers of the model.</param>
/// <param name="DModel">Its width.</param>
/// <param name="Vocabulary">Its vocabulary.</param>
/// <param name="ForwardMs">One plain forward pass of a batch.</param>
/// <param name="SplicedMs">The four passes of the evaluation with all that is computed from them.</param>
/// <param name="Ratio">Evaluation over forward.</param>
internal sealed record SplicedEvalResult(int Layers, int DModel, int Vocabulary, double ForwardMs, double SplicedMs, double Ratio);

/// <summary>Everything that was measured.</summary>
internal sealed record EvalBenchmarkResult(IReadOnlyList<CoreEvalResult> Core, IReadOnlyList<SplicedEvalResult> Spliced, double SyntheticRowsPerSecond);

/// <summary>What evaluation costs beside what it cannot do without: encoding for the core, a forward pass for the spliced part.</summary>
internal static class EvalBenchmark
{
    // A store has many batches: the first, on which the runtime still compiles, are not counted.
    private const int WarmUp = 8, CoreRounds = 31, SplicedRounds = 9;

    internal static int Run(string[] options)
    {
        TorchRuntime.Load();
        int json = Array.IndexOf(options, "--json");
        if (json >= 0 && json == options.Length - 1) throw new UserErrorException("--json has no file name", "write --json FILE");
        CoreEvalResult[] core = [.. new[] { (192, 2048, 32, 4096), (512, 8192, 32, 4096) }.Select(size => Core(size.Item1, size.Item2, size.Item3, size.Item4))];
        foreach (CoreEvalResult result in core) Console.WriteLine($"core    d_model {result.DModel,4} d_sae {result.DSae,6}: encode {result.EncodeMs,7:F1} ms, evaluate {result.EvalMs,7:F1} ms, ratio {result.Ratio:F2}");
        SplicedEvalResult[] spliced = [.. new[] { (4, 192, 2048), (6, 256, 8192) }.Select(size => Spliced(size.Item1, size.Item2, size.Item3))];
        foreach (SplicedEvalResult result in spliced) Console.WriteLine($"spliced {result.Layers} layers of {result.DModel}, vocabulary {result.Vocabulary,5}: forward {result.ForwardMs,7:F1} ms, evaluate {result.SplicedMs,7:F1} ms, ratio {result.Ratio:F2}");
        double synthetic = SyntheticSpeed();
        Console.WriteLine($"synthetic rows of SynthSAEBench-16k: {synthetic:F0} per second");
        if (json >= 0) JsonFile.Write(options[json + 1], new EvalBenchmarkResult(core, spliced, synthetic));
        return 0;
    }

    private static CoreEvalResult Core(int dModel, int dSae, int k, int rows)
    {
        var random = new SeededRandom(7);
        float[] values = [.. Enumerable.Range(0, rows * dModel).Select(_ => (float)random.NextNormal())];
        var batch = new ActivationBatch { Rows = rows, DModel = dModel, Values = values, Documents = [.. Enumerable.Range(0, rows).Select(i => i / 100)], Positions = [.. Enumerable.Range(0, rows).Select(i => i % 100)], Tokens = new int[rows] };
        using SparseAutoencoder sae = Random(dModel, dSae, k);
        var pass = new DictionaryPass(sae, new double[dModel], comparedRows: 0);
        var times = Interleaved(CoreRounds, () => sae.EncodeSparse(values, rows), () => pass.Add(batch));
        return new(dModel, dSae, k, rows, times.First, times.Second, times.Second / times.First);
    }

    private static SplicedEvalResult Spliced(int layers, int dModel, int vocabulary)
    {
        TransformerConfig config = Gpt2.Shape(layers, dModel, heads: 4, vocabularySize: vocabulary, positions: 128);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(config, seed: 7);
        using var model = new Transformer(config, Gpt2.Assemble(config, name => weights[name]), weights, "benchmark", "");
        using SparseAutoencoder sae = Random(dModel, 8 * dModel, 32);
        var random = new SeededRandom(3);
        TokenContext[] contexts = [.. Enumerable.Range(0, 16).Select(i => new TokenContext([.. Enumerable.Range(0, 128).Select(_ => random.Next(vocabulary))], [.. Enumerable.Repeat(i, 128)], [.. Enumerable.Range(0, 128)]))];
        using Tensor tokens = tensor(contexts.SelectMany(context => context.Tokens).Select(id => (long)id).ToArray(), [16, 128]);
        var at = new HookPoint(HookSite.ResidPost, layers / 2);
        using var still = no_grad();
        double[] mean = new double[dModel];
        var times = Interleaved(SplicedRounds, () => model.Forward(tokens), () => SplicedLoss.Measure(model, at, sae.Reconstruct, [contexts], mean: mean));
        return new(layers, dModel, vocabulary, times.First, times.Second, times.Second / times.First);
    }

    private static double SyntheticSpeed()
    {
        SyntheticModel model = SyntheticModel.Create(SyntheticPreset.Find("synth-sae-bench-16k").Config with { Orthogonalization = null });
        var sampler = new SyntheticSampler(model);
        float[] x = new float[4096 * model.Config.HiddenDim];
        sampler.Draw(0, 4096, x);
        var clock = Stopwatch.StartNew();
        for (int i = 1; i <= 4; i++) sampler.Draw(i * 4096, 4096, x);
        return 4 * 4096 / clock.Elapsed.TotalSeconds;
    }

    private static SparseAutoencoder Random(int dModel, int dSae, int k)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(5);
        Tensor decoder = randn(dSae, dModel, generator: generator);
        decoder = decoder / decoder.norm(1).unsqueeze(1);
        return SparseAutoencoder.FromWeights(new SaeConfig { DModel = dModel, DSae = dSae, K = k }, decoder.t(), zeros(dSae), decoder, zeros(dModel));
    }

    // In turns, so that a busy machine slows both.
    private static (double First, double Second) Interleaved(int rounds, Action first, Action second)
    {
        double[] one = new double[rounds], other = new double[rounds];
        for (int round = -WarmUp; round < rounds; round++)
        {
            double firstTime = Time(first), secondTime = Time(second);
            if (round >= 0) (one[round], other[round]) = (firstTime, secondTime);
        }
        return (one.Order().ElementAt(rounds / 2), other.Order().ElementAt(rounds / 2));
    }

    private static double Time(Action operation)
    {
        using DisposeScope scope = NewDisposeScope();
        long start = Stopwatch.GetTimestamp();
        operation();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}

using System.Diagnostics;
using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Benchmarks;

/// <summary>One measured model; times are medians in milliseconds.</summary>
/// <param name="Model">What was measured.</param>
/// <param name="ForwardMs">A whole forward pass, logits included.</param>
/// <param name="ProductsMs">The same matrix products alone, into memory they already have.</param>
/// <param name="Ratio">Forward over products.</param>
/// <param name="ProcessorRatio">The same of processor time, which a busy machine does not change.</param>
/// <param name="LiveTensorsGrown">Tensors more after the rounds than before; 0 where nothing leaks.</param>
internal sealed record ForwardResult(string Model, double ForwardMs, double ProductsMs, double Ratio, double ProcessorRatio, long LiveTensorsGrown);

/// <summary>One point of the cost of generating; times are medians in milliseconds.</summary>
/// <param name="Seen">Tokens seen before.</param>
/// <param name="TokenMs">One more token.</param>
internal sealed record GenerationResult(int Seen, double TokenMs);

/// <summary>A forward pass beside its own matrix products, and one more token beside the tokens before it, interleaved in one process.</summary>
internal static class ForwardBenchmark
{
    private const int Batch = 8, Context = 256, Vocabulary = 50257;
    private static readonly int[] Seen = [16, 256, 1000];
    private static readonly TransformerConfig Small = Gpt2.Shape(layers: 12, dModel: 768, heads: 12, vocabularySize: Vocabulary, positions: 1024) with { Activation = ActivationFunction.GeluTanh };

    internal static int Run(string[] options)
    {
        TorchRuntime.Load();
        int rounds = options.Contains("--quick") ? 3 : 7, json = Array.IndexOf(options, "--json");
        if (json >= 0 && json == options.Length - 1) throw new UserErrorException("--json has no file name", "write --json FILE");
        using var gradients = no_grad();
        Dictionary<string, Tensor> weights = Gpt2.Initialise(Small, seed: 1);
        using var model = new Transformer(Small, Gpt2.Assemble(Small, name => weights[name]), weights, "gpt2-small-shaped", "");
        ForwardResult forward = Forward(model, rounds);
        Console.WriteLine($"{forward.Model}, batch {Batch}, context {Context}: forward {forward.ForwardMs:F0} ms, products {forward.ProductsMs:F0} ms, ratio {forward.Ratio:F2} ({forward.ProcessorRatio:F2} of processor time), live tensors +{forward.LiveTensorsGrown}");
        GenerationResult[] generation = [.. Seen.Select(seen => Generate(model, seen, 4 * rounds))];
        foreach (GenerationResult point in generation) Console.WriteLine($"one more token after {point.Seen,5}: {point.TokenMs:F1} ms");
        if (json >= 0) JsonFile.Write(options[json + 1], new { Forward = forward, Generation = generation });
        return 0;
    }

    private static ForwardResult Forward(Transformer model, int rounds)
    {
        using var scope = NewDisposeScope();
        var random = new SeededRandom(3);
        Tensor tokens = tensor(Enumerable.Range(0, Batch * Context).Select(_ => (long)random.Next(Vocabulary)).ToArray()).view(Batch, Context);
        var products = new Products(model);
        model.Forward(tokens).Dispose();
        products.Run();
        long live = Tensor.TotalCount;
        (double[] forwards, double[] alone, double[] forwardsWork, double[] aloneWork) = (new double[rounds], new double[rounds], new double[rounds], new double[rounds]);
        for (int round = 0; round < rounds; round++)
        {
            (forwards[round], forwardsWork[round]) = Time(() => model.Forward(tokens).Dispose());
            (alone[round], aloneWork[round]) = Time(products.Run);
        }
        (double forward, double product) = (Median(forwards), Median(alone));
        return new(model.Name, forward, product, forward / product, Median(forwardsWork) / Median(aloneWork), Tensor.TotalCount - live);
    }

    private static GenerationResult Generate(Transformer model, int seen, int rounds)
    {
        using var scope = NewDisposeScope();
        using var cache = new KeyValueCache(model.Config);
        _ = model.Continue(zeros(1, seen, dtype: ScalarType.Int64), cache, onlyLast: true);
        Tensor one = ones(1, 1, dtype: ScalarType.Int64);
        _ = model.Continue(one, cache, onlyLast: true);
        double[] times = new double[Math.Min(rounds, 20)];
        for (int i = 0; i < times.Length; i++) times[i] = Time(() => model.Continue(one, cache, onlyLast: true)).Milliseconds;
        return new(seen, Median(times));
    }

    private static (double Milliseconds, double ProcessorMilliseconds) Time(Action operation)
    {
        using DisposeScope scope = NewDisposeScope();
        TimeSpan before = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        operation();
        return (Stopwatch.GetElapsedTime(start).TotalMilliseconds, (Environment.CpuUsage.TotalTime - before).TotalMilliseconds);
    }

    private static double Median(double[] times) => times.Order().ElementAt(times.Length / 2);

    /// <summary>Every matrix product of a forward pass: the maps of each block, queries by keys, pattern by values, unembedding.</summary>
    private sealed class Products
    {
        private readonly List<(Tensor Left, Tensor Right, Tensor Result, int Times)> all = [];

        internal Products(Transformer model)
        {
            TransformerConfig config = model.Config;
            long rows = Batch * Context, d = config.DModel, heads = Batch * config.Heads;
            foreach ((long inner, long outer) in new[] { (d, 3 * d), (d, d), (d, config.DMlp), (config.DMlp, d) }) Add(rand(rows, inner), rand(inner, outer), empty(rows, outer), config.Layers);
            Tensor q = rand(heads, Context, config.DHead), pattern = rand(heads, Context, Context);
            Add(q, rand(heads, config.DHead, Context), empty(heads, Context, Context), config.Layers);
            Add(pattern, rand(heads, Context, config.DHead), empty(heads, Context, config.DHead), config.Layers);
            Add(rand(rows, d), model.Weights.Unembedding.t(), empty(rows, config.VocabularySize), 1);
        }

        internal void Run()
        {
            foreach ((Tensor left, Tensor right, Tensor result, int times) in all)
            {
                for (int i = 0; i < times; i++)
                {
                    if (left.dim() == 2) result.addmm_(left, right, beta: 0f, alpha: 1f);
                    else left.bmm(right).Dispose();
                }
            }
        }

        private void Add(Tensor left, Tensor right, Tensor result, int times) => all.Add((left, right, result, times));
    }
}

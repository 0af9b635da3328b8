using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>How the next token is chosen.</summary>
/// <param name="Temperature">Divides the logits; 0 takes the likeliest token each time.</param>
/// <param name="TopP">Only the likeliest tokens that together have this share of the probability can be chosen (Holtzman et al. 2020); 1 for all.</param>
public sealed record SamplingOptions(double Temperature = 1, double TopP = 1);

/// <summary>Continues a text token by token, each in one pass over itself alone.</summary>
public static class TextSampler
{
    /// <summary>Samples a continuation.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompt">Token ids to start from, at least one, usually the beginning-of-text token.</param>
    /// <param name="count">Tokens to add.</param>
    /// <param name="options">How each is chosen.</param>
    /// <param name="random">Where the choices come from.</param>
    /// <returns>The added tokens.</returns>
    public static int[] Sample(Transformer model, ReadOnlySpan<int> prompt, int count, SamplingOptions options, SeededRandom random) =>
        [.. Stream(model, [.. prompt], options, random).Take(count)];

    /// <summary>
    /// Samples without end; the caller takes as many tokens as it wants. Whenever the model's positions are used up, the older
    /// half of the context is forgotten.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="prompt">Token ids to start from, at least one.</param>
    /// <param name="options">How each token is chosen.</param>
    /// <param name="random">Where the choices come from.</param>
    public static IEnumerable<int> Stream(Transformer model, IReadOnlyList<int> prompt, SamplingOptions options, SeededRandom random)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(random);
        if (prompt.Count == 0) throw new ArgumentException("a prompt of at least one token is needed", nameof(prompt));
        return Tokens(model, prompt, options, random);
    }

    private static IEnumerable<int> Tokens(Transformer model, IReadOnlyList<int> prompt, SamplingOptions options, SeededRandom random)
    {
        using var cache = new KeyValueCache(model.Config);
        var chooser = new TokenChooser(options, random);
        List<long> context = [.. prompt.TakeLast(model.Config.MaxPositions).Select(token => (long)token)];
        int read = 0;
        while (true)
        {
            int next = chooser.Choose(NextLogits(model, cache, context, read));
            yield return next;
            read = context.Count;
            context.Add(next);
            if (cache.Free > 0 && !model.Config.ChangesWithLength(cache.Length + 1)) continue;
            if (cache.Free == 0) context.RemoveRange(0, context.Count - Math.Max(1, model.Config.MaxPositions / 2));
            cache.Clear();
            read = 0;
        }
    }

    private static float[] NextLogits(Transformer model, KeyValueCache cache, List<long> context, int read)
    {
        using var gradients = no_grad();
        using var scope = NewDisposeScope();
        Tensor logits = model.Continue(tensor(context.Skip(read).ToArray()).unsqueeze(0), cache, onlyLast: true);
        return TensorMemory.Floats(logits.contiguous()).ToArray();
    }
}

/// <summary>Chooses tokens from logits.</summary>
internal sealed class TokenChooser(SamplingOptions options, SeededRandom random)
{
    /// <summary>The next token.</summary>
    /// <param name="logits">[vocabulary].</param>
    internal int Choose(ReadOnlySpan<float> logits)
    {
        int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(logits);
        if (options.Temperature <= 0) return best;
        var weights = new double[logits.Length];
        double total = 0;
        for (int token = 0; token < weights.Length; token++) total += weights[token] = Math.Exp((logits[token] - logits[best]) / options.Temperature);
        if (options.TopP < 1) total = KeepNucleus(weights, options.TopP * total);
        double left = random.NextDouble() * total;
        for (int token = 0; token < weights.Length; token++)
        {
            left -= weights[token];
            if (left < 0 && weights[token] > 0) return token;
        }
        return best;
    }

    // Clears all but the largest weights that together reach the wanted sum; returns what they sum up to.
    private static double KeepNucleus(double[] weights, double wanted)
    {
        int[] order = [.. Enumerable.Range(0, weights.Length).OrderByDescending(token => weights[token])];
        double kept = 0;
        int next = 0;
        while (next < order.Length && (next == 0 || kept < wanted)) kept += weights[order[next++]];
        foreach (int token in order.AsSpan(next)) weights[token] = 0;
        return kept;
    }
}

using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;

namespace Monosemantic.Metrics;

/// <summary>
/// What a dictionary costs the model that it explains: the model's own cross-entropy, the one with activations replaced by
/// their reconstruction, and the one with activations replaced by zero.
/// <code>
/// recovered = (zero - spliced) / (zero - original)     1: as good as the model; 0: as bad as zero ablation
/// </code>
/// </summary>
/// <remarks>
/// What counts: predictions of a real token from a real token of the same document. Inserted tokens (BOS, separators) are
/// neither targets nor sources, as a dictionary is not trained on them; in the spliced run they keep their own activation.
/// Zero ablation zeroes every position, inserted ones too. Both as in SAELens' evaluation with special tokens excluded.
/// </remarks>
public static class SplicedLoss
{
    /// <summary>Runs the model three times over each batch.</summary>
    /// <param name="model">The model.</param>
    /// <param name="at">Where the activations are replaced.</param>
    /// <param name="reconstruct">Reconstruction of activations [n, width] -> [n, width]; called inside a dispose scope.</param>
    /// <param name="batches">Contexts in batches of equal length, never padded.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="UserErrorException">No prediction counts, a loss is not finite, or the hook point is not the model's.</exception>
    public static CrossEntropyResult Measure(
        Transformer model,
        HookPoint at,
        Func<Tensor, Tensor> reconstruct,
        IEnumerable<TokenContext[]> batches,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(reconstruct);
        ArgumentNullException.ThrowIfNull(batches);
        CrossEntropyAccumulator original = new(), spliced = new(), zero = new();
        using var still = no_grad();
        foreach (TokenContext[] batch in batches)
        {
            cancellation.ThrowIfCancellationRequested();
            if (batch.Length == 0 || batch[0].Length < 2) continue;
            using var scope = NewDisposeScope();
            Tensor tokens = TokensOf(batch), real = RealOf(batch);
            bool[] counted = CountedOf(batch);
            Add(original, model, tokens, counted, null, at);
            Add(spliced, model, tokens, counted, (_, value) => Spliced(value, real, reconstruct), at);
            Add(zero, model, tokens, counted, (_, value) => zeros_like(value), at);
            progress?.Report(new("splice", original.Tokens, 0, "tokens"));
        }
        return Result(original, spliced, zero);
    }

    /// <summary>(zero - spliced) / (zero - original); null where zero ablation costs nothing.</summary>
    /// <param name="original">Cross-entropy of the model, nats per token.</param>
    /// <param name="spliced">With reconstructions in place of activations.</param>
    /// <param name="zeroAblation">With zero in place of activations.</param>
    public static double? Recovered(double original, double spliced, double zeroAblation) =>
        zeroAblation == original ? null : (zeroAblation - spliced) / (zeroAblation - original);

    private static void Add(CrossEntropyAccumulator losses, Transformer model, Tensor tokens, bool[] counted, Hook? hook, HookPoint at)
    {
        using var scope = NewDisposeScope();
        Tensor logits = model.Forward(tokens, hook, at);
        losses.Add(TensorMemory.Floats(Transformer.LossPerToken(logits, tokens).contiguous()), counted);
    }

    private static Tensor Spliced(Tensor value, Tensor real, Func<Tensor, Tensor> reconstruct)
    {
        long rows = value.shape[0] * value.shape[1];
        Tensor flat = value.reshape(rows, -1);
        return where(real, reconstruct(flat), flat).view(value.shape);
    }

    private static Tensor TokensOf(TokenContext[] batch)
    {
        if (batch.Any(context => context.Length != batch[0].Length)) throw new ArgumentException("the contexts of a batch must have one length", nameof(batch));
        long[] ids = [.. batch.SelectMany(context => context.Tokens).Select(id => (long)id)];
        return tensor(ids, [batch.Length, batch[0].Length]);
    }

    // [b * t, 1]: whether the token comes from the text.
    private static Tensor RealOf(TokenContext[] batch)
    {
        bool[] real = [.. batch.SelectMany(context => context.Positions).Select(position => position >= 0)];
        return tensor(real, [real.Length, 1]);
    }

    // [b * (t - 1)], in the order of the losses.
    private static bool[] CountedOf(TokenContext[] batch) =>
    [
        .. batch.SelectMany(context => Enumerable.Range(1, context.Length - 1).Select(i =>
            context.Positions[i] >= 0 && context.Positions[i - 1] >= 0 && context.Documents[i] == context.Documents[i - 1])),
    ];

    private static CrossEntropyResult Result(CrossEntropyAccumulator original, CrossEntropyAccumulator spliced, CrossEntropyAccumulator zero)
    {
        if (original.Tokens == 0) throw new UserErrorException("the held-out contexts hold no predicted token", "hold out more documents, or use longer contexts");
        if (original.Compute() is not { } own || spliced.Compute() is not { } replaced || zero.Compute() is not { } ablated)
        {
            throw new UserErrorException("a cross-entropy is not a finite number", "check the model and the dictionary for values that are not finite");
        }
        return new(own, replaced, ablated, Recovered(own, replaced, ablated), original.Tokens);
    }
}

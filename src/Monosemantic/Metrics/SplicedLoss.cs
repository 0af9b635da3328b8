using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;

namespace Monosemantic.Metrics;

/// <summary>Which positions an ablation replaces.</summary>
public enum AblatedPositions
{
    /// <summary>All of them, as SAELens does.</summary>
    Every,

    /// <summary>Those of tokens of the text: inserted ones (BOS, separators) keep their activation, as they do when spliced.</summary>
    Text,
}

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
/// Ablations replace every position, inserted ones too, unless told otherwise. As in SAELens' evaluation with special tokens excluded.
/// </remarks>
public static class SplicedLoss
{
    /// <summary>Runs the model over each batch as it is, spliced, and ablated (to the mean only where that is known).</summary>
    /// <param name="model">The model.</param>
    /// <param name="at">Where the activations are replaced.</param>
    /// <param name="reconstruct">Reconstruction of activations [n, width] -> [n, width]; called inside a dispose scope.</param>
    /// <param name="batches">Contexts in batches of equal length, never padded.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="mean">The mean activation [width], for mean ablation; null where it is not known.</param>
    /// <param name="split">Where the contexts come from, such as <c>held_out</c>.</param>
    /// <param name="ablated">Which positions the ablations replace.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="UserErrorException">No prediction counts, a loss is not finite, or the hook point is not the model's.</exception>
    public static CrossEntropyResult Measure(
        Transformer model,
        HookPoint at,
        Func<Tensor, Tensor> reconstruct,
        IEnumerable<TokenContext[]> batches,
        IProgress<ProgressReport>? progress = null,
        IReadOnlyList<double>? mean = null,
        string split = "held_out",
        AblatedPositions ablated = AblatedPositions.Every,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(reconstruct);
        ArgumentNullException.ThrowIfNull(batches);
        var behaviour = new ModelBehaviour();
        using var still = no_grad();
        using Tensor? average = mean is null ? null : TensorMemory.FromFloats([.. mean.Select(value => (float)value)], mean.Count);
        foreach (TokenContext[] batch in batches)
        {
            cancellation.ThrowIfCancellationRequested();
            if (batch.Length == 0 || batch[0].Length < 2) continue;
            AddBatch(behaviour, model, at, reconstruct, average, ablated, batch);
            progress?.Report(new("splice", behaviour.Predictions, 0, "tokens"));
        }
        return Result(behaviour, split);
    }

    /// <summary>(ablated - spliced) / (ablated - original); null where the ablation costs nothing.</summary>
    /// <param name="original">Cross-entropy of the model, nats per token.</param>
    /// <param name="spliced">With reconstructions in place of activations.</param>
    /// <param name="ablated">With zero, or the mean, in place of activations.</param>
    public static double? Recovered(double original, double spliced, double ablated) =>
        ablated == original ? null : (ablated - spliced) / (ablated - original);

    private static void AddBatch(ModelBehaviour behaviour, Transformer model, HookPoint at, Func<Tensor, Tensor> reconstruct, Tensor? mean, AblatedPositions positions, TokenContext[] batch)
    {
        using var scope = NewDisposeScope();
        Tensor tokens = TokensOf(batch), real = RealOf(batch);
        (int[] rows, int[] targets, int[] documents) = CountedOf(batch);
        Tensor logits = model.Forward(tokens, null, at).contiguous();
        LogitRow[] original = LogitRows.Of(logits, rows, targets);
        LogitRow[] spliced = Compare((_, value) => Spliced(value, real, reconstruct));
        LogitRow[] zero = Ablate((_, value) => zeros_like(value));
        LogitRow[]? ablated = mean is null ? null : Ablate((_, value) => mean.expand(value.numel() / mean.numel(), -1).reshape(value.shape));
        for (int i = 0; i < rows.Length; i++)
        {
            behaviour.Add(documents[i], new(
                original[i].Loss, spliced[i].Loss, zero[i].Loss, ablated?[i].Loss ?? double.NaN, spliced[i].Kl, zero[i].Kl, spliced[i].Likeliest == original[i].Likeliest));
        }

        LogitRow[] Compare(Hook hook)
        {
            using var inner = NewDisposeScope();
            return LogitRows.Of(model.Forward(tokens, hook, at).contiguous(), rows, targets, logits);
        }

        // With the whole residual stream replaced, nothing of the tokens is left: all contexts predict the same, and one stands for all.
        LogitRow[] Ablate(Hook hook)
        {
            if (positions == AblatedPositions.Text) return Compare((point, value) => where(real.view([.. value.shape[..2], .. Enumerable.Repeat(1L, (int)value.dim() - 2)]), hook(point, value), value));
            if (at.Site is not (HookSite.ResidPre or HookSite.ResidPost)) return Compare(hook);
            using var inner = NewDisposeScope();
            int length = batch[0].Length;
            return LogitRows.Of(model.Forward(tokens.narrow(0, 0, 1), hook, at).contiguous(), [.. rows.Select(row => row % length)], targets, logits, rows);
        }
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

    // Flat positions [b * t] whose prediction counts, what comes next there, and in which document.
    private static (int[] Rows, int[] Targets, int[] Documents) CountedOf(TokenContext[] batch)
    {
        List<int> rows = [], targets = [], documents = [];
        for (int i = 0; i < batch.Length; i++)
        {
            TokenContext context = batch[i];
            for (int t = 0; t + 1 < context.Length; t++)
            {
                if (context.Positions[t] < 0 || context.Positions[t + 1] < 0 || context.Documents[t] != context.Documents[t + 1]) continue;
                rows.Add((i * context.Length) + t);
                targets.Add(context.Tokens[t + 1]);
                documents.Add(context.Documents[t + 1]);
            }
        }
        return ([.. rows], [.. targets], [.. documents]);
    }

    private static CrossEntropyResult Result(ModelBehaviour behaviour, string split)
    {
        if (behaviour.Predictions == 0) throw new UserErrorException("the held-out contexts hold no predicted token", "hold out more documents, or use longer contexts");
        IReadOnlyDictionary<string, MetricValue> numbers = behaviour.Compute(split);
        if (numbers["ce_original"].Value is not { } own || numbers["ce_spliced"].Value is not { } replaced || numbers["ce_zero_ablation"].Value is not { } ablated)
        {
            throw new UserErrorException("a cross-entropy is not a finite number", "check the model and the dictionary for values that are not finite");
        }
        return new(own, replaced, ablated, Recovered(own, replaced, ablated), behaviour.Predictions) { Numbers = numbers };
    }
}

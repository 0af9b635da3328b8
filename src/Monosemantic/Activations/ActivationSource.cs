using System.Collections.Immutable;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;
using TorchSharp;

namespace Monosemantic.Activations;

/// <summary>Takes the activations of one hook point.</summary>
/// <param name="hook">Index of the hook point in <see cref="ActivationSource.Hooks"/>.</param>
/// <param name="values">[b * t, width], row-major, where t is the length of the longest context; valid during the call. What stands
/// behind the end of a shorter context means nothing.</param>
public delegate void ActivationReceiver(int hook, ReadOnlySpan<float> values);

/// <summary>Computes the activations of some contexts and hands them over, once for each hook point.</summary>
/// <param name="contexts">The contexts [b], of any lengths.</param>
/// <param name="receive">Takes the activations.</param>
public delegate void ComputeActivations(ImmutableArray<TokenContext> contexts, ActivationReceiver receive);

/// <summary>How the heads of an attention hook point lie in a row: one after the other.</summary>
/// <param name="Count">Number of heads at the hook point.</param>
/// <param name="DHead">Numbers of one head.</param>
/// <param name="Only">The one head that is kept; null for all.</param>
public sealed record HeadStructure(int Count, int DHead, int? Only);

/// <summary>A hook point and how wide its rows are.</summary>
/// <param name="HookPoint">Its name.</param>
/// <param name="Width">Numbers in a row, heads flattened.</param>
/// <param name="Heads">The heads in a row; null where it has none.</param>
public sealed record HookedWidth(string HookPoint, int Width, HeadStructure? Heads = null);

/// <summary>Where activations come from: a model, or anything else that makes rows from contexts.</summary>
/// <param name="Model">What it is.</param>
/// <param name="Hooks">Which hook points it gives.</param>
/// <param name="MaxContext">Most tokens in a context.</param>
/// <param name="VocabularySize">Token ids are below this.</param>
/// <param name="Compute">Computes them.</param>
public sealed record ActivationSource(ModelIdentity Model, ImmutableArray<HookedWidth> Hooks, int MaxContext, int VocabularySize, ComputeActivations Compute)
{
    /// <summary>A transformer, run as far as the last of some hook points.</summary>
    /// <param name="model">The model; it must outlive the source.</param>
    /// <param name="at">The hook points, all different.</param>
    /// <param name="head">The one head to give of points that have heads; null for all.</param>
    /// <exception cref="UserErrorException">The model has no such point or head, or its values are not rows of one width.</exception>
    public static ActivationSource Of(Transformer model, ImmutableArray<HookPoint> at, int? head = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ImmutableArray<HookedWidth> hooks = [.. at.Select(point => WidthOf(model, point, head))];
        return new(new(model.Name, model.Sha256), hooks, model.Config.MaxPositions, model.Config.VocabularySize, (contexts, receive) => Run(model, at, hooks, contexts, receive));
    }

    private static HookedWidth WidthOf(Transformer model, HookPoint at, int? head)
    {
        int width = model.Width(at);
        bool hasHeads = at.Site is HookSite.AttnQ or HookSite.AttnK or HookSite.AttnV or HookSite.AttnZ;
        if (!hasHeads && head is null) return new(at.ToString(), width);
        if (!hasHeads) throw new UserErrorException($"per_head is {head}, but {at} has no heads", "leave --per-head out, or give only hook points such as blocks.0.attn.hook_z");
        var structure = new HeadStructure(width / model.Config.DHead, model.Config.DHead, head);
        if (head is { } one && (one < 0 || one >= structure.Count)) throw new UserErrorException($"per_head is {head}; {at} has the heads 0..{structure.Count - 1}", "choose one of them");
        return new(at.ToString(), head is null ? width : structure.DHead, structure);
    }

    private static void Run(Transformer model, ImmutableArray<HookPoint> at, ImmutableArray<HookedWidth> hooks, ImmutableArray<TokenContext> contexts, ActivationReceiver receive)
    {
        using var scope = torch.NewDisposeScope();
        using var inference = torch.no_grad();
        int length = contexts.Max(context => context.Length);
        // Zeros behind a shorter context: attention looks only backwards, so they change nothing before them.
        long[] ids = new long[contexts.Length * length];
        for (int i = 0; i < contexts.Length; i++) for (int t = 0; t < contexts[i].Length; t++) ids[(i * length) + t] = contexts[i].Tokens[t];
        model.Run(torch.tensor(ids).view(contexts.Length, length), (point, value) =>
        {
            int hook = at.IndexOf(point);
            torch.Tensor rows = hooks[hook].Heads?.Only is { } head ? value.narrow(2, head, 1) : value;
            receive(hook, TensorMemory.Floats(rows.contiguous()));
            return value;
        }, at.AsSpan());
    }
}

using System.Collections.Immutable;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Text;
using TorchSharp;

namespace Monosemantic.Activations;

/// <summary>Takes the activations of one hook point.</summary>
/// <param name="hook">Index of the hook point in <see cref="ActivationSource.Hooks"/>.</param>
/// <param name="values">[b * t, width], row-major; valid during the call.</param>
public delegate void ActivationReceiver(int hook, ReadOnlySpan<float> values);

/// <summary>Computes the activations of some contexts and hands them over, once for each hook point.</summary>
/// <param name="contexts">Contexts of equal length [b].</param>
/// <param name="receive">Takes the activations.</param>
public delegate void ComputeActivations(ImmutableArray<TokenContext> contexts, ActivationReceiver receive);

/// <summary>A hook point and how wide its rows are.</summary>
/// <param name="HookPoint">Its name.</param>
/// <param name="Width">Numbers in a row, heads flattened.</param>
public sealed record HookedWidth(string HookPoint, int Width);

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
    /// <exception cref="UserErrorException">The model has no such point, or its values are not rows of one width.</exception>
    public static ActivationSource Of(Transformer model, ImmutableArray<HookPoint> at)
    {
        ArgumentNullException.ThrowIfNull(model);
        ImmutableArray<HookedWidth> hooks = [.. at.Select(point => new HookedWidth(point.ToString(), model.Width(point)))];
        return new(new(model.Name, model.Sha256), hooks, model.Config.MaxPositions, model.Config.VocabularySize, (contexts, receive) => Run(model, at, contexts, receive));
    }

    private static void Run(Transformer model, ImmutableArray<HookPoint> at, ImmutableArray<TokenContext> contexts, ActivationReceiver receive)
    {
        using var scope = torch.NewDisposeScope();
        using var inference = torch.no_grad();
        long[] ids = [.. contexts.SelectMany(context => context.Tokens, (_, token) => (long)token)];
        torch.Tensor tokens = torch.tensor(ids).view(contexts.Length, contexts[0].Length);
        model.Run(tokens, (point, value) =>
        {
            receive(at.IndexOf(point), TensorMemory.Floats(value.contiguous()));
            return value;
        }, at.AsSpan());
    }
}

using TorchSharp;

namespace Monosemantic.Models;

/// <summary>The hook of one forward pass: which points it wants, and whether the pass may end after the last of them.</summary>
internal sealed class HookTaps(Hook? hook, HashSet<HookPoint>? wanted)
{
    private int left = wanted?.Count ?? int.MaxValue;

    /// <summary>No hook at all.</summary>
    internal static HookTaps None { get; } = new(null, []);

    /// <summary>Whether the pass ends once every wanted point has been called.</summary>
    internal bool StopAfterLast { get; init; }

    /// <summary>Whether nothing that is still to come is wanted.</summary>
    internal bool Finished => StopAfterLast && left == 0;

    /// <summary>Whether the value at a point has to be computed for the hook.</summary>
    internal bool Wants(HookPoint at) => hook is not null && (wanted is null || wanted.Contains(at));

    /// <summary>Offers a value to the hook and returns the one to go on with.</summary>
    internal torch.Tensor At(HookPoint at, torch.Tensor value)
    {
        if (!Wants(at)) return value;
        left--;
        torch.Tensor result = hook!(at, value);
        if (!result.shape.AsSpan().SequenceEqual(value.shape)) throw new InvalidOperationException($"the hook at {at} returned [{string.Join(", ", result.shape)}] for [{string.Join(", ", value.shape)}]");
        return result;
    }
}

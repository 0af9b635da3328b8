using TorchSharp;

namespace Monosemantic.Models;

/// <summary>Results on their way out of a dispose scope.</summary>
internal static class Scopes
{
    /// <summary>Lets a tensor outlive a scope, if it is that scope's: a hook may have returned one that is somebody else's.</summary>
    internal static torch.Tensor Release(this DisposeScope scope, torch.Tensor value)
    {
        if (scope.Contains(value)) scope.MoveToOuter(value);
        return value;
    }
}

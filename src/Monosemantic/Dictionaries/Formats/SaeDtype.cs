using System.Collections.Immutable;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>An element type that the weights of an autoencoder are written in. Here everything is computed in float32.</summary>
/// <param name="Name">Name on the command line.</param>
/// <param name="Long">Name in PyTorch, as configs give it.</param>
/// <param name="Type">The tensor type.</param>
internal sealed record SaeDtype(string Name, string Long, ScalarType Type)
{
    internal static SaeDtype Float32 { get; } = new("f32", "float32", ScalarType.Float32);

    /// <summary>The types there are.</summary>
    internal static ImmutableArray<SaeDtype> All { get; } = [Float32, new("f16", "float16", ScalarType.Float16), new("bf16", "bfloat16", ScalarType.BFloat16)];

    /// <summary>Finds a type by its name on the command line.</summary>
    /// <exception cref="UserErrorException">There is none of that name.</exception>
    internal static SaeDtype Of(string name) => All.FirstOrDefault(dtype => dtype.Name == name)
        ?? throw new UserErrorException($"the dtype is \"{name}\"; it must be one of {string.Join(", ", All.Select(dtype => dtype.Name))}", "leave it out to keep that of the source in its own format, and float32 elsewhere");

    /// <summary>The type that a file or config names, in either spelling; float32 for any other.</summary>
    internal static SaeDtype Named(string? text) => All.FirstOrDefault(dtype => dtype.Long == text || string.Equals(dtype.Name, text, StringComparison.OrdinalIgnoreCase)) ?? Float32;

    /// <summary>Whether all tensors have the same values in this type.</summary>
    internal bool Holds(IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        if (Type == ScalarType.Float32) return true;
        using DisposeScope scope = NewDisposeScope();
        return tensors.All(tensor => tensor.Value.to(Type).to(ScalarType.Float32).equal(tensor.Value).all().item<bool>());
    }

    /// <summary>Tensors in this type; whole numbers stay what they are.</summary>
    internal IEnumerable<KeyValuePair<string, Tensor>> Cast(IEnumerable<KeyValuePair<string, Tensor>> tensors) =>
        tensors.Select(tensor => tensor.Value.dtype == ScalarType.Float32 ? KeyValuePair.Create(tensor.Key, tensor.Value.to(Type)) : tensor);
}

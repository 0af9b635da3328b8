using System.Collections.Frozen;

namespace Monosemantic.Runtime.Pickles;

/// <summary>What an allowed name does when a pickle calls it.</summary>
internal enum PickleCall
{
    /// <summary>It is not called: an element type or a kind of storage.</summary>
    None,
    OrderedDictionary,
    Set,
    ByteArray,
    Encode,
    Size,
    Device,
    TensorVersion1,
    TensorVersion2,
    TensorVersion3,
    Parameter,
    ParameterWithState,
}

/// <summary>A name that a pickle may use.</summary>
/// <param name="Name">Module and name, such as <c>torch.FloatStorage</c>.</param>
/// <param name="Call">What it does when called.</param>
/// <param name="Element">The element type that it stands for, if any.</param>
/// <param name="IsStorage">Whether it is a kind of storage.</param>
internal sealed record PickleGlobal(string Name, PickleCall Call = PickleCall.None, TensorElement? Element = null, bool IsStorage = false);

/// <summary>
/// The names that a pickle may use: those that tensors are rebuilt from, and nothing else. They are compared as text; no name
/// from a file ever becomes a type or a function.
/// </summary>
internal static class PickleGlobals
{
    private static readonly (string Storage, string Element)[] Storages =
    [
        ("FloatStorage", "F32"), ("DoubleStorage", "F64"), ("HalfStorage", "F16"), ("BFloat16Storage", "BF16"), ("LongStorage", "I64"),
        ("IntStorage", "I32"), ("ShortStorage", "I16"), ("CharStorage", "I8"), ("ByteStorage", "U8"), ("BoolStorage", "BOOL"), ("ComplexFloatStorage", "C64"),
    ];

    private static readonly (string Type, string? Element)[] Types =
    [
        ("float32", "F32"), ("float", "F32"), ("float64", "F64"), ("double", "F64"), ("float16", "F16"), ("half", "F16"), ("bfloat16", "BF16"),
        ("int64", "I64"), ("long", "I64"), ("int32", "I32"), ("int", "I32"), ("int16", "I16"), ("short", "I16"), ("int8", "I8"), ("uint8", "U8"), ("bool", "BOOL"),
        ("uint16", "U16"), ("uint32", "U32"), ("uint64", "U64"), ("complex64", "C64"), ("complex128", null),
        ("float8_e4m3fn", "F8_E4M3"), ("float8_e5m2", "F8_E5M2"), ("float8_e4m3fnuz", "F8_E4M3FNUZ"), ("float8_e5m2fnuz", "F8_E5M2FNUZ"), ("float8_e8m0fnu", "F8_E8M0"),
    ];

    private static readonly FrozenDictionary<string, PickleGlobal> Allowed = All().ToFrozenDictionary(known => known.Name, StringComparer.Ordinal);

    // Harmless in PyTorch, but with no meaning here: said as such, so that nobody takes the file for an attack.
    private static readonly FrozenDictionary<string, string> Unread = new Dictionary<string, string>
    {
        ["torch._utils._rebuild_sparse_tensor"] = "a sparse tensor",
        ["torch._utils._rebuild_sparse_csr_tensor"] = "a sparse tensor",
        ["torch._utils._rebuild_qtensor"] = "a quantised tensor",
        ["torch._utils._rebuild_nested_tensor"] = "a nested tensor",
        ["torch._utils._rebuild_meta_tensor_no_storage"] = "a tensor without numbers",
        ["torch._utils._rebuild_wrapper_subclass"] = "a tensor of a special class",
        ["torch._tensor._rebuild_from_type_v2"] = "a tensor of a special class",
        ["torch._utils._rebuild_device_tensor_from_numpy"] = "a tensor kept as a NumPy object",
        ["torch._utils._rebuild_device_tensor_from_cpu_tensor"] = "a tensor of another kind of device",
        ["torch.ComplexDoubleStorage"] = "complex numbers of 128 bits",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The allowed name, or the error that says why it is refused.</summary>
    /// <param name="module">The module, as the pickle has it.</param>
    /// <param name="name">The name in it.</param>
    /// <param name="where">What is being read, for errors.</param>
    internal static PickleGlobal Find(string module, string name, string where)
    {
        string full = $"{module}.{name}";
        if (Allowed.TryGetValue(full, out PickleGlobal? known)) return known;
        if (Unread.TryGetValue(full, out string? kind)) throw new UserErrorException($"{where} holds {kind} ({full}), which is not read here", "save it from PyTorch as a dense tensor of ordinary numbers");
        throw new UserErrorException(
            $"{where} asks for {Printable.Of(full)}: loading it would run code, so it is refused",
            "do not load it with other tools either unless you trust who made it; ask for a safetensors file, or save only the state dict (torch.save(model.state_dict(), ..))");
    }

    private static IEnumerable<PickleGlobal> All()
    {
        yield return new("collections.OrderedDict", PickleCall.OrderedDictionary);
        yield return new("builtins.set", PickleCall.Set);
        yield return new("__builtin__.set", PickleCall.Set);
        yield return new("builtins.bytearray", PickleCall.ByteArray);
        yield return new("__builtin__.bytearray", PickleCall.ByteArray);
        yield return new("_codecs.encode", PickleCall.Encode);
        yield return new("torch.Size", PickleCall.Size);
        yield return new("torch.device", PickleCall.Device);
        yield return new("torch._utils._rebuild_tensor", PickleCall.TensorVersion1);
        yield return new("torch._utils._rebuild_tensor_v2", PickleCall.TensorVersion2);
        yield return new("torch._utils._rebuild_tensor_v3", PickleCall.TensorVersion3);
        yield return new("torch._utils._rebuild_parameter", PickleCall.Parameter);
        yield return new("torch._utils._rebuild_parameter_with_state", PickleCall.ParameterWithState);
        yield return new("torch.UntypedStorage", IsStorage: true);
        yield return new("torch.storage.UntypedStorage", IsStorage: true);
        foreach ((string storage, string element) in Storages)
        {
            yield return new($"torch.{storage}", Element: TensorElement.Find(element), IsStorage: true);
            yield return new($"torch.cuda.{storage}", Element: TensorElement.Find(element), IsStorage: true);
        }
        foreach ((string type, string? element) in Types) yield return new($"torch.{type}", Element: element is null ? null : TensorElement.Find(element));
    }
}

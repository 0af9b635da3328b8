using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>Another tool's tensors, which are taken one by one with the shapes that they must have; what is left is an error that names it.</summary>
/// <param name="file">The file; left open.</param>
/// <param name="prefix">What comes before every name.</param>
internal sealed class ForeignTensors(ITensorFile file, string prefix = "")
{
    private readonly HashSet<string> taken = new(StringComparer.Ordinal);

    internal string Source => file.Path;

    internal bool Has(string name) => file.Contains(prefix + name);

    /// <summary>Shape of a tensor, or null where it is not there.</summary>
    internal long[]? Shape(string name) => Has(name) ? [.. file.Entry(prefix + name).Shape] : null;

    /// <summary>The one floating point type of all tensors; null where there are several.</summary>
    internal string? CommonDtype => file.Entries.Where(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal) && IsReal(entry.Element)).Select(entry => entry.Element.Name).Distinct().ToArray() is [var only] ? only : null;

    /// <summary>A tensor in float32; without a copy where the file has it so.</summary>
    /// <exception cref="UserErrorException">It is missing, of another shape, or holds no real numbers.</exception>
    internal Tensor Take(string name, params long[] shape)
    {
        TensorEntry entry = file.Entry(prefix + name);
        taken.Add(prefix + name);
        if (!entry.Shape.SequenceEqual(shape)) throw new UserErrorException($"{file.Path}: {prefix}{name} is {Printable.Of(entry.Shape)}; it must be {Printable.Of(shape)} by the config and the other tensors", "the files do not belong together; download or copy the whole folder again");
        if (!IsReal(entry.Element)) throw new UserErrorException($"{file.Path}: {prefix}{name} is of type {entry.Element.Name}; it must be a floating point type", "check that it is the right file");
        return file.View(prefix + name).to(ScalarType.Float32);
    }

    /// <summary>A single whole number, or null where it is not there.</summary>
    internal long? Integer(string name)
    {
        if (!Has(name)) return null;
        taken.Add(prefix + name);
        TensorEntry entry = file.Entry(prefix + name);
        if (entry.Shape.Any(size => size != 1) || entry.Element.Name is not ("I32" or "I64" or "I16" or "U8" or "I8")) throw new UserErrorException($"{file.Path}: {prefix}{name} is {entry.Element.Name} {Printable.Of(entry.Shape)}; it must be one whole number", "check that it is the right file");
        return file.Read(prefix + name).to(ScalarType.Int64).item<long>();
    }

    /// <summary>Passes over a tensor that does not change what is computed.</summary>
    internal void Pass(string name) => taken.Add(prefix + name);

    private static bool IsReal(TensorElement element) => element.Name is "F32" or "F16" or "BF16" or "F64";

    /// <summary>Refuses what no one took.</summary>
    /// <exception cref="UserErrorException">A tensor is not known.</exception>
    internal void End(string format)
    {
        string[] left = [.. file.Entries.Select(entry => entry.Name).Where(name => name.StartsWith(prefix, StringComparison.Ordinal) && !taken.Contains(name))];
        if (left.Length > 0) throw new UserErrorException($"{file.Path}: {string.Join(", ", left.Take(5).Select(Printable.Of))} {(left.Length == 1 ? "is" : "are")} not known to the reader of {format}: it could change what is computed", "check that the config is the one of these weights");
    }
}

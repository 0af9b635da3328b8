using System.Collections.Immutable;
using TorchSharp;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// A file of named tensors, or a folder of such files: safetensors, PyTorch, NumPy. Opening it checks everything that can be
/// checked without reading the numbers; a tensor's numbers are read when it is asked for.
/// </summary>
public interface ITensorFile : IDisposable
{
    /// <summary>The file or folder.</summary>
    string Path { get; }

    /// <summary>The tensors, in the order in which they are stored.</summary>
    ImmutableArray<TensorEntry> Entries { get; }

    /// <summary>Whether there is a tensor of that name.</summary>
    /// <param name="name">The tensor's name.</param>
    bool Contains(string name);

    /// <summary>What a tensor is.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="UserErrorException">There is no tensor of that name.</exception>
    TensorEntry Entry(string name);

    /// <summary>Copies a tensor out of the file, contiguous, in its own element type and shape, on the CPU.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="UserErrorException">There is no such tensor, it is of a type that is not read, or its bytes are damaged.</exception>
    torch.Tensor Read(string name);

    /// <summary>
    /// The same as <see cref="Read"/>, and of unsigned whole numbers of 16 to 64 bits, which have no tensor type here, the bits in the
    /// signed type of their size.
    /// </summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="UserErrorException">There is no such tensor, it is of a type that is not read, or its bytes are damaged.</exception>
    torch.Tensor ReadBits(string name) => Read(name);

    /// <summary>
    /// The tensor over the file's own bytes, without a copy where they are stored as they are in memory (whole, aligned,
    /// uncompressed), else as <see cref="Read"/> gives it. It outlives this object and holds its part of the file mapped until
    /// it is disposed; writing to it changes this process's memory only, never the file.
    /// </summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="UserErrorException">There is no such tensor, it is of a type that is not read, or its bytes are damaged.</exception>
    torch.Tensor View(string name);
}

/// <summary>One tensor of a file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Element">Its element type.</param>
/// <param name="Shape">Its dimensions; none for a single number.</param>
public sealed record TensorEntry(string Name, TensorElement Element, ImmutableArray<long> Shape)
{
    /// <summary>The error for a tensor that is not there, which names those nearest to it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">The name that was asked for.</param>
    /// <param name="known">The names that there are.</param>
    internal static UserErrorException Missing(string path, string name, IReadOnlyCollection<string> known)
    {
        string? near = known.Count <= 10_000 ? Suggestion.Nearest(name, known.Where(other => Math.Abs(other.Length - name.Length) < 40)) : null;
        string some = string.Join(", ", known.Take(8).Select(Printable.Of));
        return new UserErrorException(
            $"{path} has no tensor named {Printable.Of(name)}",
            near is null ? $"it holds {some}{(known.Count > 8 ? ", ..." : "")}" : $"did you mean {Printable.Of(near)}? It holds {some}{(known.Count > 8 ? ", ..." : "")}");
    }
}

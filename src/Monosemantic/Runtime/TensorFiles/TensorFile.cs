namespace Monosemantic.Runtime.TensorFiles;

/// <summary>The kinds of tensor file that are read.</summary>
public enum TensorFileKind
{
    /// <summary>safetensors.</summary>
    Safetensors,

    /// <summary>A PyTorch file, as a zip archive.</summary>
    TorchArchive,

    /// <summary>A PyTorch file from before version 1.6, a row of pickles.</summary>
    TorchLegacy,

    /// <summary>A NumPy archive of arrays.</summary>
    Npz,

    /// <summary>A NumPy array.</summary>
    Npy,
}

/// <summary>Opens any tensor file, told apart by its content and never by its name.</summary>
public static class TensorFile
{
    /// <summary>Which kind of tensor file a file is.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is none of them; the message says what it looks like.</exception>
    public static TensorFileKind Recognise(string path)
    {
        using MappedFile file = MappedFile.Open(path);
        return Recognise(file, out _);
    }

    /// <summary>Opens a tensor file of any kind, or the weights of a model's folder.</summary>
    /// <param name="path">The file or folder.</param>
    /// <exception cref="UserErrorException">It is missing, none of the kinds, or damaged.</exception>
    public static ITensorFile Open(string path)
    {
        if (Directory.Exists(path)) return TensorFolder.Open(path);
        MappedFile file = MappedFile.Open(path);
        try
        {
            TensorFileKind kind = Recognise(file, out ZipDirectory? directory);
            if (kind == TensorFileKind.TorchArchive) return TorchFile.Of(file, directory!);
            if (kind == TensorFileKind.TorchLegacy) return TorchFile.Of(file);
            if (kind == TensorFileKind.Npz) return NpzFile.Of(file, directory!);
            file.Dispose();
            return kind == TensorFileKind.Npy ? NpyFile.Open(path) : SafetensorsFile.Open(path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static TensorFileKind Recognise(MappedFile file, out ZipDirectory? directory)
    {
        directory = null;
        if (file.Head(4).SequenceEqual("PK\x03\x04"u8)) return RecogniseArchive(file, directory = ZipDirectory.Read(file));
        if (file.Head(6).SequenceEqual(NpyHeader.Magic)) return TensorFileKind.Npy;
        if (TorchLegacy.Is(file)) return TensorFileKind.TorchLegacy;
        // The header's length comes first, and no header is so long that its upper bytes are not zero.
        if (file.Length > 8 && file.Span(4, 5).SequenceEqual("\0\0\0\0{"u8)) return TensorFileKind.Safetensors;
        throw new UserErrorException(
            $"{file.Path} is no tensor file that is read here (safetensors, PyTorch, NumPy .npy and .npz): it looks like {FileSignature.Describe(file) ?? "none that is known"}",
            "download or copy the file again, and check that it is the right one");
    }

    private static TensorFileKind RecogniseArchive(MappedFile file, ZipDirectory directory)
    {
        if (TorchArchive.Is(directory)) return TensorFileKind.TorchArchive;
        if (directory.Entries.All(entry => entry.Name.EndsWith(".npy", StringComparison.Ordinal))) return TensorFileKind.Npz;
        string names = string.Join(", ", directory.Entries.Take(5).Select(entry => Printable.Of(entry.Name)));
        throw new UserErrorException($"{file.Path} is a zip archive, but neither of PyTorch nor of NumPy: it holds {names}{(directory.Entries.Length > 5 ? ", ..." : "")}", "unpack it, and name the tensor file inside");
    }
}

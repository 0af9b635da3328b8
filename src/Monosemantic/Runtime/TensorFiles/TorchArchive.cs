using Monosemantic.Runtime.Pickles;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// PyTorch files since version 1.6: a zip archive of one folder with <c>data.pkl</c>, one file per storage below <c>data/</c>,
/// and <c>version</c>.
/// </summary>
internal static class TorchArchive
{
    private const string Program = "/data.pkl";

    /// <summary>Whether an archive is PyTorch's.</summary>
    /// <param name="directory">Its directory.</param>
    internal static bool Is(ZipDirectory directory) => directory.Entries.Any(entry => IsProgram(entry) || entry.Name.EndsWith("/constants.pkl", StringComparison.Ordinal));

    /// <summary>Reads what was saved, and where its storages lie.</summary>
    /// <param name="file">The file.</param>
    /// <param name="directory">Its directory.</param>
    internal static (PickleValue Root, TorchStorages Storages) Read(MappedFile file, ZipDirectory directory)
    {
        string folder = Folder(file, directory);
        CheckByteOrder(file, directory, folder);
        PickleValue root = Run(file, directory.Find(folder + Program)!);
        List<(string Name, PickleTensor Tensor)> tensors = [.. TorchFile.TensorsIn(root, "")];
        var places = new Dictionary<string, TorchPlace>(StringComparer.Ordinal);
        foreach (string key in tensors.Select(tensor => tensor.Tensor.StorageKey).Distinct())
        {
            if (directory.Find($"{folder}/data/{key}") is { } entry) places[key] = new TorchPlace(entry.DataAt, entry.Length, entry);
        }
        CheckUnpacked(file, places.Values);
        TorchStorages.Check(file.Path, places, tensors);
        return (root, new TorchStorages(file, places));
    }

    private static string Folder(MappedFile file, ZipDirectory directory)
    {
        ZipEntry[] programs = [.. directory.Entries.Where(IsProgram)];
        bool script = directory.Entries.Any(entry => entry.Name.EndsWith("/constants.pkl", StringComparison.Ordinal) || entry.Name.Contains("/code/", StringComparison.Ordinal));
        if (script) throw new UserErrorException($"{file.Path} is a TorchScript program, which holds code and not only weights; it is refused", "ask for the state dict, or a safetensors file");
        if (programs.Length != 1) throw new UserErrorException($"{file.Path} is a zip archive, but not one that PyTorch saved: it has {programs.Length} files called data.pkl in a folder, in place of one", "check that it is the right file");
        return programs[0].Name[..^Program.Length];
    }

    private static bool IsProgram(ZipEntry entry) => entry.Name.EndsWith(Program, StringComparison.Ordinal) && entry.Name.IndexOf('/', StringComparison.Ordinal) == entry.Name.Length - Program.Length;

    private static void CheckByteOrder(MappedFile file, ZipDirectory directory, string folder)
    {
        if (directory.Find($"{folder}/byteorder") is not { } entry) return;
        byte[] order = new ZipContent(file, mayLackChecksums: true).ReadSmall(entry, 64);
        if (!order.AsSpan().SequenceEqual("little"u8)) throw new UserErrorException($"{file.Path} was saved on a machine that stores the highest byte first ('big'), which is not read here", "save it again on an ordinary machine");
    }

    private static PickleValue Run(MappedFile file, ZipEntry program)
    {
        string where = $"{file.Path}: {Printable.Of(program.Name)}";
        var content = new ZipContent(file, mayLackChecksums: true);
        if (program.Length > PickleMachine.MaxBytes) throw PickleMachine.Bad(where, $"it has {program.Length:N0} bytes; at most {PickleMachine.MaxBytes:N0} are read");
        if (!program.Deflated) content.Verify(program);
        ReadOnlySpan<byte> bytes = program.Deflated ? content.ReadSmall(program, PickleMachine.MaxBytes) : file.Span(program.DataAt, (int)program.Length);
        PickleValue root = PickleMachine.Run(bytes, where, out int length);
        return length == bytes.Length ? root : throw PickleMachine.Bad(where, $"{bytes.Length - length:N0} bytes follow its end");
    }

    // Compressed storages are kept while the file is open, so they count together.
    private static void CheckUnpacked(MappedFile file, IEnumerable<TorchPlace> places)
    {
        long most = new ZipContent(file, mayLackChecksums: true).MostUnpacked, all = 0;
        foreach (TorchPlace place in places.Where(place => place.Entry!.Deflated))
        {
            all += Math.Min(place.Length, most);
            if (place.Length > most || all > most) throw PickleMachine.Bad(file.Path, $"it claims to unpack to more than {most:N0} bytes, too much for a file of {file.Length:N0}");
        }
    }
}

using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Monosemantic.Runtime.Pickles;

namespace Monosemantic.Runtime.TensorFiles;

/// <summary>
/// PyTorch files before version 1.6: five pickles (a magic number, the protocol's number, a description of the machine, what was
/// saved, the keys of the storages), then each storage's length and bytes.
/// </summary>
internal static class TorchLegacy
{
    private const int Protocol = 1001;

    private static readonly BigInteger Magic = BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    /// <summary>Whether a file begins as a pickle of one of the protocols that PyTorch has written.</summary>
    /// <param name="file">The file.</param>
    internal static bool Is(MappedFile file) => file.Length > 2 && file.Span(0, 2) is [0x80, >= 2 and <= 5];

    /// <summary>Reads what was saved, and where its storages lie.</summary>
    /// <param name="file">The file.</param>
    internal static (PickleValue Root, TorchStorages Storages) Read(MappedFile file)
    {
        if (!Is(file)) throw PickleMachine.Bad(file.Path, $"it does not begin as one{FileSignature.Remark(file)}");
        long at = 0;
        if (Next(file, ref at) is not PickleInteger { Value: var magic } || magic != Magic) throw PickleMachine.Bad(file.Path, "it is a Python pickle, but not one that PyTorch saved");
        if (Next(file, ref at) is not PickleInteger { Value: var protocol } || protocol != Protocol) throw PickleMachine.Bad(file.Path, $"its form is not {Protocol}, the only one that PyTorch wrote");
        CheckMachine(file, Next(file, ref at));
        PickleValue root = Next(file, ref at);
        PickleValue keys = Next(file, ref at);
        List<(string Name, PickleTensor Tensor)> tensors = [.. TorchFile.TensorsIn(root, "")];
        Dictionary<string, TorchPlace> places = Places(file, at, keys, tensors);
        TorchStorages.Check(file.Path, places, tensors);
        return (root, new TorchStorages(file, places));
    }

    private static PickleValue Next(MappedFile file, ref long at)
    {
        int most = (int)Math.Min(file.Length - at, PickleMachine.MaxBytes);
        PickleValue value = PickleMachine.Run(file.Span(at, most), file.Path, out int length);
        at += length;
        return value;
    }

    private static void CheckMachine(MappedFile file, PickleValue machine)
    {
        if (machine is not PickleDictionary description) throw PickleMachine.Bad(file.Path, "it does not describe the machine that saved it");
        if (description.Find("little_endian") is not PickleBoolean { Value: true }) throw new UserErrorException($"{file.Path} was saved on a machine that stores the highest byte first, which is not read here", "save it again on an ordinary machine");
    }

    private static Dictionary<string, TorchPlace> Places(MappedFile file, long at, PickleValue keys, List<(string Name, PickleTensor Tensor)> tensors)
    {
        if (keys is not PickleSequence { Kind: PickleSequenceKind.List } list) throw PickleMachine.Bad(file.Path, "it has no list of its storages");
        // A storage's record says how many elements it has, not how large they are.
        Dictionary<string, PickleStorage> named = new(StringComparer.Ordinal);
        foreach ((_, PickleTensor tensor) in tensors) named.TryAdd(tensor.StorageKey, tensor.Storage);
        var places = new Dictionary<string, TorchPlace>(StringComparer.Ordinal);
        foreach (PickleValue item in list.Items)
        {
            string key = item is PickleText text ? text.Value : throw PickleMachine.Bad(file.Path, "a storage in its list has a name that is no text");
            if (!named.TryGetValue(key, out PickleStorage? storage)) throw PickleMachine.Bad(file.Path, $"storage {Printable.Of(key)} belongs to no tensor");
            if (file.Length - at < 8) throw PickleMachine.Bad(file.Path, $"it ends before storage {Printable.Of(key)}");
            long count = BinaryPrimitives.ReadInt64LittleEndian(file.Span(at, 8)), bytes = storage.Count * storage.Element.Size;
            at += 8;
            if (count != storage.Count || bytes > file.Length - at) throw PickleMachine.Bad(file.Path, $"storage {Printable.Of(key)} claims {count:N0} elements where {storage.Count:N0} are needed and {file.Length - at:N0} bytes are left");
            if (!places.TryAdd(key, new TorchPlace(at, bytes, null))) throw PickleMachine.Bad(file.Path, $"storage {Printable.Of(key)} stands in its list twice");
            at += bytes;
        }
        if (at != file.Length) throw PickleMachine.Bad(file.Path, $"{file.Length - at:N0} bytes follow the last storage");
        return places;
    }
}

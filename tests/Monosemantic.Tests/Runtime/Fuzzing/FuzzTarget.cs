using System.Text;
using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Runtime.Pickles;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Tests.Runtime.Fuzzing;

/// <summary>A reader under test: the sound files that damage starts from, and what is done with a damaged one.</summary>
/// <param name="Name">The name of the target.</param>
/// <param name="Files">The sound files.</param>
/// <param name="Read">Writes a damaged file into the folder and reads it; a <see cref="UserErrorException"/> is a right answer.</param>
internal sealed record FuzzTarget(string Name, byte[][] Files, Action<string, byte[]> Read)
{
    /// <summary>Files that must be refused as they are, and make good material for worse ones.</summary>
    internal byte[][] Hostile { get; init; } = [];

    internal static string[] Names { get; } = ["safetensors", "shard index", "npy", "npz", "torch zip", "torch deflated", "torch legacy", "pickle", "any kind", "autoencoder config"];

    internal static FuzzTarget Of(string name) => name switch
    {
        "safetensors" => new(name, Safetensors(), ReadSafetensors),
        "shard index" => new(name, [Encoding.UTF8.GetBytes("""{"metadata": {"total_size": 12}, "weight_map": {"a": "a.safetensors", "b": "b.safetensors", "π": "b.safetensors"}}""")], ReadIndex),
        "npy" => new(name, Npy(), (folder, bytes) => ReadAll(NpyFile.Open(Put(folder, bytes)), bytes.Length)),
        "npz" => new(name, Npz(), (folder, bytes) => ReadAll(NpzFile.Open(Put(folder, bytes)), bytes.Length)),
        "torch zip" => new(name, [.. TorchFixtures.Same.Where(file => file.StartsWith("zip_p", StringComparison.Ordinal) || file == "zip64.pt").Select(WithoutChecksums)], ReadTorch),
        "torch deflated" => new(name, [Torch("zip_deflated.pt")], ReadTorch),
        "torch legacy" => new(name, [Torch("legacy_protocol2.pt"), Torch("legacy_protocol4.pt")], ReadTorch) { Hostile = [Torch("hostile_legacy.pt")] },
        "pickle" => new(name, Pickles("zip_p"), (folder, bytes) => PickleMachine.Run(bytes, folder, out int _)) { Hostile = Pickles("hostile_i", "hostile_s") },
        "autoencoder config" => new(name, Configs(), ReadConfig),
        "any kind" => new(name, [.. Safetensors(), .. Npy(), .. Npz(), .. TorchFixtures.Same.Select(Torch)], (folder, bytes) => ReadAll(TensorFile.Open(Put(folder, bytes)), bytes.Length)),
        _ => throw new ArgumentOutOfRangeException(nameof(name)),
    };

    private static void ReadTorch(string folder, byte[] bytes) => ReadAll(TorchFile.Open(Put(folder, bytes)), bytes.Length);

    // What opens must be consistent: every tensor that is listed is there, of the shape that is listed, the same by either way.
    private static void ReadAll(ITensorFile file, long length)
    {
        using (file)
        {
            foreach (TensorEntry entry in file.Entries)
            {
                Assert.True(file.Contains(entry.Name));
                Assert.Equal(entry.Shape, file.Entry(entry.Name).Shape);
                long bytes = entry.Element.ByteCount(entry.Shape) ?? -1;
                Assert.True(bytes >= 0);
                ReadTensor(file, entry, 2 * length + (17 << 20));
            }
        }
    }

    private static void ReadTensor(ITensorFile file, TensorEntry entry, long mostBytes)
    {
        try
        {
            using torch.Tensor tensor = file.Read(entry.Name), view = file.View(entry.Name);
            Assert.Equal(entry.Shape, tensor.shape);
            Assert.Equal(entry.Element.Type, tensor.dtype);
            Assert.InRange(tensor.numel() * tensor.element_size(), 0, mostBytes);
            Assert.Equal(entry.Shape, view.shape);
            Assert.True(tensor.numel() == 0 || tensor.bytes.SequenceEqual(view.bytes));
        }
        catch (UserErrorException)
        {
            // A tensor may be of a type that is not read, or damaged; the others must still be.
        }
    }

    // A second way to read the format, without a check: slices of the file at the places that its JSON names.
    private static void ReadSafetensors(string folder, byte[] bytes)
    {
        SafetensorsFile file = SafetensorsFile.Open(Put(folder, bytes));
        int data = 8 + (int)BitConverter.ToUInt64(bytes), covered = 0;
        using (JsonDocument header = JsonDocument.Parse(bytes.AsMemory(8, data - 8)))
        {
            foreach (JsonProperty tensor in header.RootElement.EnumerateObject().Where(property => property.Name != "__metadata__"))
            {
                int[] place = [.. tensor.Value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt32())];
                Assert.True(bytes.AsSpan((data + place[0])..(data + place[1])).SequenceEqual(file.Bytes(tensor.Name)));
                covered += place[1] - place[0];
            }
        }
        Assert.Equal(bytes.Length, data + covered);
        ReadAll(file, bytes.Length);
    }

    private static void ReadIndex(string folder, byte[] bytes)
    {
        foreach ((string name, string[] tensors) in new (string, string[])[] { ("a", ["a"]), ("b", ["b", "π"]) })
        {
            string path = Path.Combine(folder, $"{name}.safetensors");
            if (File.Exists(path)) continue;
            using torch.Tensor one = torch.ones(1);
            SafetensorsWriter.Write(path, tensors.Select(tensor => KeyValuePair.Create(tensor, one)));
        }
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors.index.json"), bytes);
        ReadAll(TensorFolder.Open(folder), 1000);
    }

    private static byte[][] Configs() =>
    [
        Encoding.UTF8.GetBytes("""{"d_in": 4, "d_sae": 8, "dtype": "float32", "apply_b_dec_to_input": true, "normalize_activations": "none", "metadata": {"sae_lens_version": "6.18.0", "hook_name": "blocks.1.hook_resid_pre"}, "k": 2, "rescale_acts_by_decoder_norm": true, "architecture": "topk"}"""),
        Encoding.UTF8.GetBytes("""{"d_in": 4, "expansion_factor": 2, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 2}, "hook_point": "π\u00e9", "normalize_activations": false, "context_size": 128}"""),
    ];

    // The weights are sound: what a damaged config makes of them must be refused, or be a whole autoencoder.
    private static void ReadConfig(string folder, byte[] bytes)
    {
        string weights = Path.Combine(folder, "sae_weights.safetensors");
        if (!File.Exists(weights))
        {
            using DisposeScope scope = torch.NewDisposeScope();
            SafetensorsWriter.Write(weights, [new("W_enc", torch.ones(4, 8)), new("W_dec", torch.ones(8, 4)), new("b_enc", torch.ones(8)), new("b_dec", torch.ones(4))]);
        }
        File.WriteAllBytes(Path.Combine(folder, "cfg.json"), bytes);
        using SparseAutoencoder sae = SparseAutoencoder.Load(folder);
        Assert.Equal(8, sae.Config.DSae);
        Assert.True(sae.EncodeSparse(new float[4], 1).Count <= 8);
    }

    private static byte[][] Safetensors()
    {
        using torch.Tensor weights = torch.arange(6, dtype: torch.float32).reshape(2, 3), ids = torch.arange(3, dtype: torch.int64), empty = torch.zeros(0, 4), scalar = torch.ones([], torch.float16), flags = torch.ones(3, torch.@bool);
        KeyValuePair<string, torch.Tensor>[] tensors = [new("weights", weights), new("ids", ids), new("empty", empty), new("scalar", scalar), new("flags", flags)];
        return [Written(path => SafetensorsWriter.Write(path, tensors, new Dictionary<string, string> { ["format"] = "pt", ["π"] = "\n" })), Written(path => SafetensorsWriter.Write(path, tensors[..2])), Written(path => SafetensorsWriter.Write(path, []))];
    }

    private static byte[][] Npy() =>
    [
        NumpyTests.Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 1, new byte[24]),
        NumpyTests.Npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", 2, new byte[12]),
        NumpyTests.Npy("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", 3, new byte[1]),
        NumpyTests.Npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 0, 4), }", 1, []),
    ];

    private static byte[][] Npz()
    {
        byte[][] arrays = Npy();
        ZipBytes.File[] files = [.. arrays.Select((array, index) => new ZipBytes.File($"array{index}.npy", array) { Deflate = index % 2 == 1 })];
        return [ZipBytes.Of(files), ZipBytes.Of(files[..2], wide: true), ZipBytes.Of([files[0] with { Wide = true }], wide: true)];
    }

    private static byte[][] Pickles(params string[] beginnings)
    {
        var programs = new List<byte[]>();
        foreach (string name in beginnings.SelectMany(beginning => Directory.GetFiles(TorchFixtures.Path(""), $"{beginning}*")).Order(StringComparer.Ordinal))
        {
            using MappedFile file = MappedFile.Open(name);
            programs.Add(new ZipContent(file, mayLackChecksums: false).ReadSmall(ZipDirectory.Read(file).Find("archive/data.pkl")!, 10_000));
        }
        return [.. programs];
    }

    private static byte[] Torch(string name) => File.ReadAllBytes(TorchFixtures.Path(name));

    // PyTorch may leave checksums out; without them damage gets through to the pickle and the numbers.
    private static byte[] WithoutChecksums(string name)
    {
        byte[] bytes = Torch(name);
        foreach ((byte[] mark, int at) in new[] { ("PK\u0003\u0004"u8.ToArray(), 14), ("PK\u0001\u0002"u8.ToArray(), 16) })
        {
            for (int i = 0; i + at + 4 <= bytes.Length; i++)
            {
                if (bytes.AsSpan(i).StartsWith(mark)) bytes.AsSpan(i + at, 4).Clear();
            }
        }
        return bytes;
    }

    private static byte[] Written(Action<string> write)
    {
        string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName, path = Path.Combine(folder, "a");
        write(path);
        byte[] bytes = File.ReadAllBytes(path);
        Directory.Delete(folder, recursive: true);
        return bytes;
    }

    private static string Put(string folder, byte[] bytes)
    {
        string path = Path.Combine(folder, "damaged");
        File.WriteAllBytes(path, bytes);
        return path;
    }
}

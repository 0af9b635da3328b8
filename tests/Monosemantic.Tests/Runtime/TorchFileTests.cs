using System.Numerics;
using Monosemantic.Runtime;
using Monosemantic.Runtime.Pickles;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Tests.Runtime;

public sealed class TorchFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static TheoryData<string> Same => [.. TorchFixtures.Same];

    [Theory]
    [MemberData(nameof(Same))]
    public void A_file_holds_its_tensors_whatever_the_form(string name)
    {
        using TorchFile file = TorchFile.Open(TorchFixtures.Path(name));
        TorchFixtures.Check(file);
    }

    [Theory]
    [MemberData(nameof(Same))]
    public void What_is_no_tensor_comes_as_plain_data(string name)
    {
        using TorchFile file = TorchFile.Open(TorchFixtures.Path(name));
        var root = Assert.IsType<PickleDictionary>(file.Root);
        Assert.Equal(new PickleInteger(7), root.Find("step"));
        Assert.Equal(new PickleNumber(1e-3), root.Find("lr"));
        Assert.Equal(new PickleText("π \U0001F600"), root.Find("name"));
        Assert.Equal(PickleNone.Instance, root.Find("none"));
        Assert.Equal(new PickleBoolean(true), root.Find("yes"));
        Assert.Equal(new PickleConstant("torch.float32"), root.Find("dtype"));
        Assert.Equal(new PickleConstant("cuda:0"), root.Find("device"));
        Assert.Equal([0x00, 0xff], Assert.IsType<PickleBytes>(root.Find("bytes")).Value);
        Assert.Null(root.Find("absent"));
        Assert.Equal(new PickleText("five"), root.Entries.Single(entry => entry.Key == new PickleInteger(5)).Value);
        Check("numbers", PickleSequenceKind.Tuple, 1, -2, 300, 70_000, BigInteger.Pow(2, 40), -BigInteger.Pow(2, 70));
        Check("set", PickleSequenceKind.Set, 1);
        Check("size", PickleSequenceKind.Tuple, 2, 3);

        void Check(string key, PickleSequenceKind kind, params BigInteger[] items)
        {
            var sequence = Assert.IsType<PickleSequence>(root.Find(key));
            Assert.Equal(kind, sequence.Kind);
            Assert.Equal(items.Select(item => new PickleInteger(item)), sequence.Items);
        }
    }

    [Theory]
    [InlineData("torch_save.pt")]
    [InlineData("torch_save_legacy.pt")]
    public void What_torch_save_wrote_is_read_in_every_form_that_a_state_dict_takes(string name)
    {
        (string Name, torch.ScalarType Type, long[] Shape, double[] Values)[] saved =
        [
            ("float", torch.ScalarType.Float32, [3, 4], [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5]),
            ("half", torch.ScalarType.Float16, [2], [1.5, -2]),
            ("bfloat", torch.ScalarType.BFloat16, [2], [1, -3]),
            ("transposed", torch.ScalarType.Float32, [4, 3], [0, 2, 4, 0.5, 2.5, 4.5, 1, 3, 5, 1.5, 3.5, 5.5]),
            ("sliced", torch.ScalarType.Float32, [2, 2], [0.5, 1.5, 4.5, 5.5]),
            ("expanded", torch.ScalarType.Float32, [2, 3], [2.5, 2.5, 2.5, 2.5, 2.5, 2.5]),
            ("parameter", torch.ScalarType.Float32, [1, 2], [0.25, -0.25]),
            ("k", torch.ScalarType.Int32, [], [8]),
            ("module.first", torch.ScalarType.Float32, [2], [1.5, -2.5]),
            ("module.second", torch.ScalarType.Float32, [2], [1.5, -2.5]),
            ("state.weight", torch.ScalarType.Float32, [1, 2], [4, 5]),
        ];
        using DisposeScope scope = torch.NewDisposeScope();
        using TorchFile file = TorchFile.Open(TorchFixtures.Path(name));
        Assert.Equal(saved.Select(tensor => tensor.Name), file.Entries.Select(entry => entry.Name));
        Assert.All(saved, tensor =>
        {
            torch.Tensor read = file.Read(tensor.Name);
            Assert.Equal(tensor.Type, read.dtype);
            Assert.Equal(tensor.Values, read.to(torch.float64).data<double>().ToArray());
            Assert.Equal(tensor.Shape, read.shape);
        });
    }

    [Fact]
    public void Tensors_over_one_storage_say_so()
    {
        using TorchFile file = TorchFile.Open(TorchFixtures.Path("zip_protocol2.pt"));
        var state = (PickleDictionary)((PickleDictionary)file.Root).Find("state")!;
        Assert.Equal(3, state.Entries.Count(entry => ((PickleTensor)entry.Value).StorageKey == "0"));
        Assert.Equal([1L, 3L], ((PickleTensor)state.Find("transposed")!).Strides);
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void A_golden_checkpoint_holds_the_recorded_parameters(string path)
    {
        using TorchFile file = TorchFile.Open(path);
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(Path.GetDirectoryName(path)!, "expected.safetensors"));
        int last = expected.Header.Entries.Where(entry => entry.Name.StartsWith("step", StringComparison.Ordinal)).Max(entry => int.Parse(entry.Name[4..entry.Name.IndexOf('.', StringComparison.Ordinal)]));
        string prefix = $"step{last}.after.";
        Assert.Equal(expected.Header.Entries.Where(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(entry => entry.Name[prefix.Length..]).Order(), file.Entries.Select(entry => entry.Name).Order());
        foreach (TensorEntry entry in file.Entries)
        {
            using torch.Tensor actual = file.Read(entry.Name), wanted = expected.Read(prefix + entry.Name);
            Assert.Equal(wanted.shape, actual.shape);
            Assert.True(wanted.bytes.SequenceEqual(actual.bytes), entry.Name);
        }
    }

    public static TheoryData<string> Checkpoints()
    {
        var data = new TheoryData<string>();
        foreach (string root in Repository.FixtureRoots("saes"))
        {
            foreach (string file in Directory.EnumerateFiles(root, "ae.pt", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            {
                data.Add(new TheoryDataRow<string>(file) { TestDisplayName = $"{nameof(A_golden_checkpoint_holds_the_recorded_parameters)}({Path.GetFileName(Path.GetDirectoryName(file))})" });
            }
        }
        return data;
    }

    [Theory]
    [InlineData("hostile_system.pt", "posix.system")]
    [InlineData("hostile_system_protocol4.pt", "posix.system")]
    [InlineData("hostile_eval.pt", "__builtin__.eval")]
    [InlineData("hostile_instance.pt", "copy_reg._reconstructor|torch.Instance")]
    [InlineData("hostile_legacy.pt", "posix.system")]
    public void A_file_that_would_run_code_is_refused_by_the_name_that_it_asks_for(string name, string named)
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => TorchFile.Open(TorchFixtures.Path(name)));
        Assert.Contains("would run code", error.Message);
        Assert.Contains(named.Split('|'), one => error.Message.Contains(one, StringComparison.Ordinal));
        Assert.False(File.Exists("pwned"));
    }

    [Theory]
    [MemberData(nameof(Same))]
    public void Every_truncation_is_refused(string name)
    {
        byte[] whole = File.ReadAllBytes(TorchFixtures.Path(name));
        string path = Path.Combine(folder, "cut.pt");
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Throws<UserErrorException>(() => TorchFile.Open(path).Dispose());
        }
    }

    [Fact]
    public void A_changed_number_is_found_by_its_checksum()
    {
        byte[] whole = File.ReadAllBytes(TorchFixtures.Path("zip_protocol2.pt"));
        int at = whole.AsSpan().IndexOf([.. BitConverter.GetBytes(2.0f), .. BitConverter.GetBytes(2.5f)]);
        whole[at] ^= 1;
        string path = Path.Combine(folder, "changed.pt");
        File.WriteAllBytes(path, whole);
        using TorchFile file = TorchFile.Open(path);
        foreach (Action read in new Action[] { () => file.Read("state.weight"), () => file.View("state.row"), () => file.Read("state.transposed") })
        {
            string message = Assert.Throws<UserErrorException>(read).Message;
            Assert.Contains("archive/data/0", message);
            Assert.Contains("checksum", message);
        }
        file.Read("state.ids").Dispose();
    }

    [Fact]
    public void Two_tensors_of_one_name_are_refused()
    {
        byte[] tensor = PickleCode.Tensor("0", 1, 0, [1], [1]);
        string path = Archive([.. "}("u8, .. PickleCode.Text("a.b"), .. tensor, .. PickleCode.Text("a"), .. "}"u8, .. PickleCode.Text("b"), .. tensor, .. "su."u8], ("0", new byte[4]));
        Assert.Contains("two of its tensors go by the name a.b", Assert.Throws<UserErrorException>(() => TorchFile.Open(path)).Message);
    }

    [Fact]
    public void A_lone_tensor_has_a_name()
    {
        using TorchFile file = TorchFile.Open(Archive([.. PickleCode.Tensor("0", 2, 1, [1], [1]), .. "."u8], ("0", [.. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(2f)])));
        using torch.Tensor tensor = file.Read(TorchFile.LoneTensorName);
        Assert.Equal(2f, tensor.item<float>());
    }

    [Theory]
    [InlineData("1", 1, 4, "storage 1")]
    [InlineData("0", 2, 4, "2 elements of F32 need 8")]
    [InlineData("0", 1, 8, "has 8 bytes")]
    [InlineData("../0", 1, 4, "storage ../0")]
    [InlineData("0", 4611686018427387904, 4, "storage 0 has 4,611,686,018,427,387,904 elements")]
    public void A_storage_that_is_not_what_the_pickle_says_is_refused(string key, long count, int bytes, string said)
    {
        string path = Archive([.. PickleCode.Tensor(key, count, 0, [1], [1]), .. "."u8], ("0", new byte[bytes]));
        Assert.Contains(said, Assert.Throws<UserErrorException>(() => TorchFile.Open(path)).Message);
    }

    [Fact]
    public void A_tensor_that_repeats_one_number_without_end_is_refused_before_it_is_made()
    {
        using TorchFile file = TorchFile.Open(Archive([.. PickleCode.Tensor("0", 1, 0, [1L << 40, 1L << 10], [0, 0]), .. "."u8], ("0", new byte[4])));
        Assert.Contains("repeats its numbers", Assert.Throws<UserErrorException>(() => file.Read("tensor")).Message);
        Assert.Contains("repeats its numbers", Assert.Throws<UserErrorException>(() => file.View("tensor")).Message);
    }

    [Theory]
    [InlineData("big", "highest byte first")]
    [InlineData("little\n", "highest byte first")]
    public void Another_order_of_bytes_is_refused(string order, string said)
    {
        string path = Path.Combine(folder, "order.pt");
        ZipBytes.Write(path, [new("a/data.pkl", "N."u8.ToArray()), new("a/byteorder", System.Text.Encoding.ASCII.GetBytes(order))]);
        Assert.Contains(said, Assert.Throws<UserErrorException>(() => TorchFile.Open(path)).Message);
    }

    [Fact]
    public void A_script_is_refused()
    {
        string path = Path.Combine(folder, "script.pt");
        ZipBytes.Write(path, [new("a/data.pkl", "N."u8.ToArray()), new("a/code/__torch__.py", "x"u8.ToArray()), new("a/constants.pkl", "N."u8.ToArray())]);
        Assert.Contains("TorchScript", Assert.Throws<UserErrorException>(() => TorchFile.Open(path)).Message);
    }

    [Fact]
    public void Files_without_a_program_or_with_two_are_refused()
    {
        string path = Path.Combine(folder, "none.pt");
        ZipBytes.Write(path, [new("a/b/data.pkl", "N."u8.ToArray())]);
        Assert.Contains("0 files called data.pkl", Assert.Throws<UserErrorException>(() => TorchFile.Open(path)).Message);
        ZipBytes.Write(path, [new("a/data.pkl", "N."u8.ToArray()), new("b/data.pkl", "N."u8.ToArray())]);
        Assert.Contains("2 files called data.pkl", Assert.Throws<UserErrorException>(() => TorchFile.Open(path)).Message);
        ZipBytes.Write(path, [new("a/data.pkl", "N.N."u8.ToArray())]);
        Assert.Contains("2 bytes follow", Assert.Throws<UserErrorException>(() => TorchFile.Open(path)).Message);
    }

    private string Archive(byte[] program, params (string Key, byte[] Bytes)[] storages)
    {
        string path = Path.Combine(folder, "made.pt");
        ZipBytes.Write(path, [new("a/data.pkl", program), .. storages.Select(storage => new ZipBytes.File($"a/data/{storage.Key}", storage.Bytes))]);
        return path;
    }
}

using System.Text;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Runtime.TensorFiles;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Runtime;

/// <summary>What is written as a PyTorch file, taken apart byte by byte and held against files that PyTorch wrote.</summary>
public sealed class TorchWriterTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public static TheoryData<string> Recorded => [.. Directory.GetDirectories(Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "saes", "dictionary_learning")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Recorded))]
    public void A_recorded_file_is_written_again_with_the_same_bytes_in_every_record(string name)
    {
        string source = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "saes", "dictionary_learning", name), target = Path.Combine(folder, "out");
        SaeConversion.Run(source, null, "dictionary_learning", target, lossy: false);
        byte[] theirs = File.ReadAllBytes(Path.Combine(source, "ae.pt")), ours = File.ReadAllBytes(Path.Combine(target, "ae.pt"));
        List<Record> expected = Records(theirs), found = Records(ours);

        // Newer versions of PyTorch than the one that wrote these add the byte order, behind the pickle.
        Assert.Equal("ae/byteorder", found[1].Name);
        Assert.Equal("little"u8.ToArray(), found[1].Content);
        found.RemoveAt(1);
        Assert.Equal(expected.Select(record => record.Name), found.Select(record => record.Name));
        Assert.All(expected.Zip(found), pair =>
        {
            Assert.Equal(pair.First.Content, pair.Second.Content);
            Assert.Equal(pair.First.Header, pair.Second.Header);
            Assert.Equal(pair.First.Descriptor, pair.Second.Descriptor);
            Assert.Equal((0, 0), (pair.First.At % 64, pair.Second.At % 64));
        });
    }

    [Fact]
    public void Without_the_byte_order_a_recorded_file_is_the_same_to_the_last_byte()
    {
        string path = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "saes", "dictionary_learning", "standard", "ae.pt");
        byte[] whole = File.ReadAllBytes(path);
        var again = new MemoryStream();
        var archive = new TorchZip(again);
        foreach (Record record in Records(whole)) archive.Put(record.Name, record.Content.Length, stream => stream.Write(record.Content));
        archive.End();

        Assert.Equal(whole, again.ToArray());
    }

    [Fact]
    public void The_pickle_holds_only_what_a_load_of_weights_alone_takes()
    {
        using var scope = NewDisposeScope();
        string path = Path.Combine(folder, "state.pt");
        ScalarType[] types = [ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool];
        List<KeyValuePair<string, Tensor>> tensors = [.. types.Select(type => KeyValuePair.Create($"part.{type}.weight", zeros(2, 3).to(type))), new("scalar", tensor(1f)), new("deep", zeros(1, 2, 1, 2)), new("long", zeros(70_000)), new("half", zeros(300))];
        for (int i = 0; i < 1200; i++) tensors.Add(new($"more.{i}", zeros(1)));
        TorchWriter.WriteStateDict(path, tensors);
        (HashSet<byte> opcodes, HashSet<string> globals) = Disassemble(Records(File.ReadAllBytes(path))[0].Content);

        // PROTO MARK STOP BUILD REDUCE GLOBAL, TUPLE EMPTY_TUPLE TUPLE1..3, EMPTY_DICT SETITEM SETITEMS, BINPERSID NEWFALSE, BININT.. LONG1 BINUNICODE, memo: all in torch/_weights_only_unpickler.py.
        byte[] taken = [0x80, .. Encoding.ASCII.GetBytes("(.bRct)}suQKMJXqrhj"), 0x85, 0x86, 0x87, 0x89, 0x8a];
        Assert.Empty(opcodes.Except(taken));
        string[] storages = [.. "Float Double Half BFloat16 Long Int Short Char Byte Bool".Split(' ').Select(kind => $"torch {kind}Storage")];
        Assert.Equal(["collections OrderedDict", .. storages.Append("torch._utils _rebuild_tensor_v2").Order(StringComparer.Ordinal)], globals.Order(StringComparer.Ordinal));
        using TorchFile file = TorchFile.Open(path);
        Assert.Equal(tensors.Select(tensor => tensor.Key), file.Entries.Select(entry => entry.Name));
    }

    [Fact]
    public void Sizes_and_places_that_need_64_bits_are_read_back()
    {
        using var scope = NewDisposeScope();
        KeyValuePair<string, Tensor>[] tensors = [new("small", randn(3)), new("large", randn(40, 7)), new("turned", randn(20, 9).t()), new("last", randn(5))];
        string path = Path.Combine(folder, "wide.pt");
        TorchWriter.WriteStateDict(path, tensors, largest: 500);

        byte[] whole = File.ReadAllBytes(path);
        byte[] wide = [255, 255, 255, 255];
        Assert.True(whole.AsSpan().IndexOf(wide) > 0);
        using (var archive = new System.IO.Compression.ZipArchive(new MemoryStream(whole)))
        {
            foreach ((string name, Tensor value) in tensors.Index().Select(pair => ($"wide/data/{pair.Index}", pair.Item.Value))) Assert.Equal(value.numel() * 4, archive.GetEntry(name)!.Length);
        }
        using TorchFile file = TorchFile.Open(path);
        foreach ((string name, Tensor value) in tensors) Assert.True(file.Read(name).equal(value).all().item<bool>(), name);
    }

    // Local headers one after the other, up to the directory; contents are not compressed and followed by their sizes.
    private static List<Record> Records(byte[] file)
    {
        var records = new List<Record>();
        int at = 0;
        while (BitConverter.ToUInt32(file, at) == 0x04034b50)
        {
            int name = BitConverter.ToUInt16(file, at + 26), extra = BitConverter.ToUInt16(file, at + 28), start = at + 30 + name + extra, end = start;
            while (BitConverter.ToUInt32(file, end) != 0x08074b50 || BitConverter.ToUInt32(file, end + 8) != end - start) end++;
            Assert.Equal("FB", Encoding.ASCII.GetString(file, at + 30 + name, 2));
            Assert.Equal((extra - 4, new string('Z', extra - 4)), (BitConverter.ToUInt16(file, at + 32 + name), Encoding.ASCII.GetString(file, at + 34 + name, extra - 4)));
            records.Add(new(Encoding.UTF8.GetString(file, at + 30, name), start, file[at..(at + 28)], file[start..end], file[end..(end + 16)]));
            at = end + 16;
        }
        return records;
    }

    private static (HashSet<byte> Opcodes, HashSet<string> Globals) Disassemble(byte[] code)
    {
        HashSet<byte> opcodes = [];
        HashSet<string> globals = [];
        for (int at = 0; at < code.Length;)
        {
            byte opcode = code[at++];
            opcodes.Add(opcode);
            if (opcode == 'c')
            {
                int first = Array.IndexOf(code, (byte)'\n', at), second = Array.IndexOf(code, (byte)'\n', first + 1);
                globals.Add(Encoding.ASCII.GetString(code, at, second - at).Replace('\n', ' '));
                at = second + 1;
            }
            else
            {
                at += opcode switch { 0x80 or (byte)'K' or (byte)'q' or (byte)'h' => 1, (byte)'M' => 2, (byte)'J' or (byte)'r' or (byte)'j' => 4, (byte)'X' => 4 + BitConverter.ToInt32(code, at), 0x8a => 1 + code[at], _ => 0 };
            }
        }
        Assert.Equal((byte)'.', code[^1]);
        return (opcodes, globals);
    }

    private sealed record Record(string Name, int At, byte[] Header, byte[] Content, byte[] Descriptor);
}

using System.Text;
using System.Text.Json.Nodes;
using Monosemantic.Runtime;
using TorchSharp;

namespace Monosemantic.Tests.Runtime;

public sealed class SafetensorsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void What_was_written_reads_back_bit_for_bit()
    {
        string path = Path.Combine(folder, "a.safetensors");
        using torch.Tensor weights = torch.randn(3, 5);
        using torch.Tensor half = torch.randn(7).to(torch.float16);
        using torch.Tensor ids = torch.arange(4, dtype: torch.int64);
        using torch.Tensor scalar = torch.tensor(2.5f);
        SafetensorsWriter.Write(path, [new("w", weights), new("h", half), new("ids", ids), new("s", scalar)]);

        using SafetensorsFile file = SafetensorsFile.Open(path);

        Assert.Equal(["ids", "s", "w", "h"], file.Header.Entries.Select(entry => entry.Name));
        foreach ((string name, torch.Tensor expected) in new[] { ("w", weights), ("h", half), ("ids", ids), ("s", scalar) })
        {
            using torch.Tensor actual = file.Read(name), view = file.View(name);
            Assert.Equal(expected.shape, actual.shape);
            Assert.True(actual.bytes.SequenceEqual(expected.bytes), name);
            Assert.Equal(expected.shape, view.shape);
            Assert.True(view.bytes.SequenceEqual(expected.bytes), name);
        }
    }

    [Theory]
    [MemberData(nameof(FixtureFiles))]
    public void A_fixture_is_written_again_as_the_formats_own_library_would(string path)
    {
        string copy = Path.Combine(folder, "copy.safetensors");
        using (SafetensorsFile file = SafetensorsFile.Open(path))
        {
            Dictionary<string, torch.Tensor> tensors = file.Header.Entries.Reverse().ToDictionary(entry => entry.Name, entry => file.Read(entry.Name));
            SafetensorsWriter.Write(copy, tensors, file.Header.Metadata.IsEmpty ? null : file.Header.Metadata);
            foreach (torch.Tensor tensor in tensors.Values) tensor.Dispose();
        }
        Assert.True(Reordered(File.ReadAllBytes(path)).AsSpan().SequenceEqual(File.ReadAllBytes(copy)), path);
    }

    // The types in the reference library's order; its writer sorts by them, last first, and then by name. The fixtures come from
    // another writer, which sorts by name only and puts spaces into the header.
    private const string TypeOrder = "BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64";

    private static byte[] Reordered(byte[] file)
    {
        int length = (int)BitConverter.ToUInt64(file), at = 0;
        JsonObject header = JsonNode.Parse(file.AsSpan(8, length))!.AsObject();
        var ordered = new JsonObject();
        var data = new List<byte>();
        if (header["__metadata__"] is { } metadata) ordered["__metadata__"] = metadata.DeepClone();
        string[] types = TypeOrder.Split(' ');
        foreach ((string name, JsonNode? entry) in header.Where(pair => pair.Key != "__metadata__").OrderByDescending(pair => Array.IndexOf(types, (string)pair.Value!["dtype"]!)).ThenBy(pair => pair.Key, StringComparer.Ordinal))
        {
            int begin = (int)entry!["data_offsets"]![0]!, end = (int)entry["data_offsets"]![1]!;
            ordered[name] = new JsonObject { ["dtype"] = (string)entry["dtype"]!, ["shape"] = entry["shape"]!.DeepClone(), ["data_offsets"] = new JsonArray(at, at += end - begin) };
            data.AddRange(file.AsSpan((8 + length + begin)..(8 + length + end)));
        }
        string text = ordered.ToJsonString();
        text += new string(' ', (8 - text.Length % 8) % 8);
        return [.. BitConverter.GetBytes((ulong)text.Length), .. Encoding.ASCII.GetBytes(text), .. data];
    }

    public static TheoryData<string> FixtureFiles()
    {
        var data = new TheoryData<string>();
        foreach (string kind in new[] { "models", "saes" })
        {
            foreach (string root in Repository.FixtureRoots(kind))
            {
                foreach (string file in Directory.EnumerateFiles(root, "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal)) data.Add(file);
            }
        }
        return data;
    }

    [Fact]
    public void Names_are_ordered_by_their_bytes_and_escaped_as_little_as_json_allows()
    {
        string path = Path.Combine(folder, "a.safetensors");
        using torch.Tensor one = torch.ones(1), flag = torch.ones(1, torch.@bool), big = torch.ones(1, torch.int64);
        // U+FFEE sorts before U+1F600 by code point, after it by UTF-16.
        SafetensorsWriter.Write(path, [new("\U0001F600", one), new("\uFFEE", one), new("é<>&'/\u007f\u2028", one), new("q\"\\\b\u0001", one), new("flag", flag), new("big", big)], new Dictionary<string, string> { ["z"] = "1", ["a"] = "\n" });
        string header = HeaderOf(path);
        string Entry(string name, string type, int at, int size) => $"\"{name}\":{{\"dtype\":\"{type}\",\"shape\":[1],\"data_offsets\":[{at},{at + size}]}}";
        string expected = "{\"__metadata__\":{\"a\":\"\\n\",\"z\":\"1\"}," + string.Join(',',
            Entry("big", "I64", 0, 8), Entry("q\\\"\\\\\\b\\u0001", "F32", 8, 4), Entry("é<>&'/\u007f\u2028", "F32", 12, 4), Entry("\uFFEE", "F32", 16, 4), Entry("\U0001F600", "F32", 20, 4), Entry("flag", "BOOL", 24, 1)) + "}";
        Assert.Equal(expected, header.TrimEnd(' '));
        Assert.Equal(0, Encoding.UTF8.GetByteCount(header) % 8);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(["big", "q\"\\\b\u0001", "é<>&'/\u007f\u2028", "\uFFEE", "\U0001F600", "flag"], file.Header.Entries.Select(entry => entry.Name));
    }

    [Fact]
    public void Every_type_and_odd_shape_comes_back()
    {
        string path = Path.Combine(folder, "a.safetensors");
        torch.ScalarType[] types = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.@bool];
        long[][] shapes = [[], [0], [0, 3], [3, 0, 2], [1], [2, 3]];
        var tensors = new Dictionary<string, torch.Tensor>();
        foreach (torch.ScalarType type in types)
        {
            foreach (long[] shape in shapes) tensors.Add($"{type} {string.Join('x', shape)}", torch.randint(2, shape).to(type));
        }
        SafetensorsWriter.Write(path, tensors);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(tensors.Keys.Order(), file.Entries.Select(entry => entry.Name).Order());
        foreach ((string name, torch.Tensor expected) in tensors)
        {
            foreach (torch.Tensor actual in new[] { file.Read(name), file.View(name) })
            {
                Assert.Equal(expected.dtype, actual.dtype);
                Assert.Equal(expected.shape, actual.shape);
                Assert.True(expected.numel() == 0 || expected.bytes.SequenceEqual(actual.bytes), name);
                actual.Dispose();
            }
            expected.Dispose();
        }
    }

    [Theory]
    [InlineData("twice")]
    [InlineData("__metadata__")]
    public void A_name_that_no_reader_would_take_is_not_written(string name)
    {
        using torch.Tensor one = torch.ones(1);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(Path.Combine(folder, "a"), [new("twice", one), new(name, one)]));
        Assert.Throws<EncoderFallbackException>(() => SafetensorsWriter.Write(Path.Combine(folder, "a"), [new("\ud800", one)]));
        Assert.Empty(Directory.GetFiles(folder));
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        string path = Path.Combine(folder, "a.safetensors");
        using torch.Tensor weights = torch.randn(2, 3);
        SafetensorsWriter.Write(path, [new("w", weights)]);
        byte[] whole = File.ReadAllBytes(path);
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Contains(path, Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(path)).Message);
        }
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "tensor a of type F32 and shape [2] does not fill its 4 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "tensor b begins at byte 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "tensor a begins at byte 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}}""", 9, "tensor b begins at byte 5")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, "4 bytes follow the last tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0],"data_offsets":[4,0]}}""", 0, "begins at byte 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,-4]}}""", 4, "tensor b: data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1e1]}}""", 4, "tensor a: data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]}}""", 4, "tensor a: data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "tensor a: data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,0]}}""", 0, "does not fill")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}""", 0, "does not fill")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "tensor a: shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "tensor a: shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}}""", 4, "tensor a: shape")]
    [InlineData("""{"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}}""", 4, "the type 'Q9'")]
    [InlineData("""{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}""", 1, "the type 'F4'")]
    [InlineData("""{"a":{"dtype":3,"shape":[1],"data_offsets":[0,4]}}""", 4, "tensor a: dtype is not text")]
    [InlineData("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "tensor a: it lacks")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}}""", 4, "tensor a: it has the key extra")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "tensor a: it has the key dtype twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "the name a stands in its header twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "the name a stands in its header twice")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "surrogate")]
    [InlineData("""{"__metadata__":{"k":1}}""", 0, "k is not text")]
    [InlineData("""{"__metadata__":{"k":{"v":"1"}}}""", 0, "k is not text")]
    [InlineData("""{"__metadata__":{"k":"1","k":"2"}}""", 0, "the key k stands in its __metadata__ twice")]
    [InlineData("""{"__metadata__":"x"}""", 0, "__metadata__ is not an object")]
    [InlineData("""{"__metadata__":null}""", 0, "__metadata__ is not an object")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x""", 4, "cannot be read")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],}}""", 4, "trailing comma")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}""", 4, "cannot be read")]
    [InlineData("""{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}""", 4, "tensor a: shape")]
    [InlineData("""["a"]""", 0, "not a JSON object")]
    [InlineData(""" {}""", 0, "not a JSON object")]
    [InlineData("", 0, "not a JSON object")]
    public void A_header_that_lies_is_refused(string header, int dataBytes, string said)
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(Put(Encoding.UTF8.GetBytes(header), dataBytes)));
        Assert.Contains(said, error.Message);
        Assert.Contains("bad.safetensors", error.Message);
    }

    [Theory]
    [InlineData("{}", 0)]
    [InlineData("{}      ", 0)]
    [InlineData("""{"__metadata__":{}}""", 0)]
    [InlineData("""{"a":{"data_offsets":[0,0],"shape":[7,0],"dtype":"I16"},"b":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}""", 8)]
    public void What_the_format_allows_is_read(string header, int dataBytes)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Put(Encoding.UTF8.GetBytes(header), dataBytes));
        Assert.Equal(dataBytes, file.Header.Entries.Sum(entry => entry.End - entry.Begin));
    }

    [Fact]
    public void Bytes_that_are_no_text_are_refused() => Assert.Contains("UTF-8", Assert.Throws<UserErrorException>(() =>
        SafetensorsFile.Open(Put([.. "{\""u8, 0xff, .. "\":1}"u8], 0))).Message);

    [Theory]
    [InlineData(100_000_001UL, "at most 100,000,000")]
    [InlineData(ulong.MaxValue, "at most 100,000,000")]
    [InlineData(1UL << 63, "at most 100,000,000")]
    [InlineData(100UL, "only 2 follow")]
    public void A_header_longer_than_the_file_or_the_limit_is_refused(ulong length, string said)
    {
        string path = Path.Combine(folder, "bad.safetensors");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes(length), .. "{}"u8]);
        Assert.Contains(said, Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(path)).Message);
    }

    [Fact]
    public void A_header_of_more_tensors_than_any_model_has_is_refused_within_bounded_memory()
    {
        var header = new StringBuilder("{");
        for (int i = 0; i < 250_000; i++) header.Append($"{(i == 0 ? "" : ",")}\"{i}\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        string path = Put(Encoding.UTF8.GetBytes(header.Append('}').ToString()), 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("more than 200,000 tensors", Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(path)).Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2 * new FileInfo(path).Length + (64 << 20));
    }

    [Theory]
    [InlineData("U16", 2)]
    [InlineData("U32", 4)]
    [InlineData("U64", 8)]
    [InlineData("F8_E4M3", 1)]
    [InlineData("F8_E5M2", 1)]
    [InlineData("C64", 8)]
    public void A_type_that_is_only_known_by_name_is_listed_and_its_reading_refused(string type, int size)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Put(Encoding.UTF8.GetBytes($$$"""{"a":{"dtype":"{{{type}}}","shape":[3],"data_offsets":[0,{{{3 * size}}}]}}"""), 3 * size));
        Assert.Equal(type, file.Entry("a").Element.Name);
        Assert.Equal(3 * size, file.Bytes("a").Length);
        foreach (Action read in new Action[] { () => file.Read("a"), () => file.View("a"), () => file.ReadRows("a", 0, 1) })
        {
            string message = Assert.Throws<UserErrorException>(read).Message;
            Assert.Contains($"tensor a is of type {type}", message);
        }
    }

    [Fact]
    public void A_name_is_shown_without_what_could_upset_a_terminal()
    {
        string message = Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(Put("""{"a\u001b[31m\u202e":{"dtype":"Q","shape":[1],"data_offsets":[0,4]}}"""u8.ToArray(), 4))).Message;
        Assert.Contains("a\\u001b[31m\\u202e", message);
        Assert.DoesNotContain('\u001b', message);
    }

    [Fact]
    public void A_missing_tensor_is_answered_with_the_nearest_name()
    {
        string path = Path.Combine(folder, "a.safetensors");
        using torch.Tensor one = torch.ones(1);
        SafetensorsWriter.Write(path, [new("decoder.weight", one), new("bias", one)]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        UserErrorException error = Assert.Throws<UserErrorException>(() => file.Read("decoder.weigth"));
        Assert.Contains("no tensor named decoder.weigth", error.Message);
        Assert.Contains("did you mean decoder.weight", error.Hint);
    }

    [Theory]
    [InlineData("", "not a path")]
    [InlineData("a\0b", "not a path")]
    [InlineData("missing", "does not exist")]
    [InlineData(".", "is a folder")]
    public void A_path_that_is_no_file_is_said_as_such(string name, string said) =>
        Assert.Contains(said, Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(name.Length == 0 ? "" : Path.Combine(folder, name))).Message);

    [Fact]
    public void Nothing_is_read_after_the_file_was_closed()
    {
        string path = Path.Combine(folder, "a.safetensors");
        using torch.Tensor one = torch.ones(1);
        SafetensorsWriter.Write(path, [new("w", one)]);
        SafetensorsFile file = SafetensorsFile.Open(path);
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Bytes("w").Length);
        Assert.Throws<ObjectDisposedException>(() => file.Read("w"));
        Assert.Throws<ObjectDisposedException>(() => file.View("w"));
    }

    private string Put(byte[] header, int dataBytes)
    {
        string path = Path.Combine(folder, "bad.safetensors");
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((ulong)header.Length), .. header, .. new byte[dataBytes]]);
        return path;
    }

    private static string HeaderOf(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        return Encoding.UTF8.GetString(bytes, 8, (int)BitConverter.ToUInt64(bytes));
    }
}

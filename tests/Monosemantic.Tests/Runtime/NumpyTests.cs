using System.Buffers.Binary;
using System.Text;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Tests.Runtime;

public sealed class NumpyTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void An_array_is_written_with_the_bytes_that_numpy_writes()
    {
        using torch.Tensor tensor = torch.tensor(new float[] { 1, 2, 3, 4, 5, 6 }, 2, 3);
        NumpyWriter.WriteArray(In("a.npy"), tensor);
        // 10 bytes before, the dictionary, room for 20 more digits, padding to 128, a line end; then the numbers.
        string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
        byte[] expected = [0x93, .. "NUMPY"u8, 1, 0, 118, 0, .. Encoding.ASCII.GetBytes(dictionary.PadRight(117)), (byte)'\n', .. new float[] { 1, 2, 3, 4, 5, 6 }.SelectMany(BitConverter.GetBytes)];
        Assert.Equal(expected, File.ReadAllBytes(In("a.npy")));
    }

    [Theory]
    [InlineData(new long[] { }, "()")]
    [InlineData(new long[] { 3 }, "(3,)")]
    [InlineData(new long[] { 0, 4 }, "(0, 4)")]
    public void Shapes_are_written_as_python_tuples(long[] shape, string written)
    {
        using torch.Tensor tensor = torch.zeros(shape, torch.@bool);
        NumpyWriter.WriteArray(In("a.npy"), tensor);
        byte[] bytes = File.ReadAllBytes(In("a.npy"));
        Assert.Contains($"'descr': '|b1', 'fortran_order': False, 'shape': {written}, }}", Encoding.ASCII.GetString(bytes));
        Assert.Equal(0, (bytes.Length - tensor.numel()) % 64);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_type_and_odd_shape_comes_back(bool compress)
    {
        torch.ScalarType[] types = [torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.@bool];
        long[][] shapes = [[], [0], [0, 3], [3, 0, 2], [1], [2, 3], [40, 50]];
        var tensors = types.SelectMany(type => shapes.Select(shape => (Name: $"{type} {string.Join('x', shape)}", Tensor: torch.randint(2, shape).to(type)))).ToDictionary(pair => pair.Name, pair => pair.Tensor);
        NumpyWriter.WriteArchive(In("a.npz"), tensors, compress);
        NumpyWriter.WriteArchive(In("b.npz"), tensors, compress);
        Assert.Equal(File.ReadAllBytes(In("a.npz")), File.ReadAllBytes(In("b.npz")));
        using NpzFile archive = NpzFile.Open(In("a.npz"));
        Assert.Equal(tensors.Keys, archive.Entries.Select(entry => entry.Name));
        foreach ((string name, torch.Tensor expected) in tensors)
        {
            NumpyWriter.WriteArray(In("a.npy"), expected);
            using NpyFile array = NpyFile.Open(In("a.npy"));
            foreach (torch.Tensor actual in new[] { archive.Read(name), archive.View(name), array.Read(NpyFile.TensorName), array.View(NpyFile.TensorName) })
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
    [InlineData("<f4", false, 1)]
    [InlineData("=f4", false, 2)]
    [InlineData(">f4", false, 3)]
    [InlineData("<f4", true, 1)]
    [InlineData(">f4", true, 2)]
    [InlineData("<f8", true, 3)]
    [InlineData(">f8", false, 1)]
    [InlineData(">i2", true, 1)]
    [InlineData("<i2", false, 1)]
    [InlineData(">i8", false, 1)]
    [InlineData("|i1", true, 1)]
    [InlineData(">u1", false, 1)]
    public void Either_order_of_bytes_and_of_indices_is_read(string type, bool fortran, int version)
    {
        int[] numbers = [-3, 70, 5, 11, -13, 17];
        // Stored column by column: element [i, j] of [2, 3] at place i + 2 j.
        int[] stored = fortran ? [-3, 11, 70, -13, 5, 17] : numbers;
        if (type == ">u1") stored = numbers = [3, 70, 5, 11, 200, 17];
        File.WriteAllBytes(In("a.npy"), Npy($"{{'descr': '{type}', 'fortran_order': {(fortran ? "True" : "False")}, 'shape': (2, 3), }}", version, [.. stored.SelectMany(number => Encoded(number, type))]));
        using NpyFile file = NpyFile.Open(In("a.npy"));
        foreach (torch.Tensor tensor in new[] { file.Read("array"), file.View("array") })
        {
            Assert.Equal([2, 3], tensor.shape);
            Assert.Equal(numbers.Select(number => (double)number), tensor.to(torch.float64).data<double>().ToArray());
            tensor.Dispose();
        }
    }

    private static byte[] Encoded(int number, string type)
    {
        byte[] bytes = type[1..] switch
        {
            "f4" => BitConverter.GetBytes((float)number),
            "f8" => BitConverter.GetBytes((double)number),
            "i2" => BitConverter.GetBytes((short)number),
            "i8" => BitConverter.GetBytes((long)number),
            _ => [(byte)number],
        };
        if (type[0] == '>') Array.Reverse(bytes);
        return bytes;
    }

    [Fact]
    public void Headers_may_be_written_in_other_ways()
    {
        foreach (string header in new[] { "{\"shape\":(3L,),\"fortran_order\":False,\"descr\":\"<i2\"}", " { 'fortran_order' : False , 'descr' : '<i2' ,\n'shape' : ( 3 , ) } \n" })
        {
            File.WriteAllBytes(In("a.npy"), Npy(header, 1, new byte[6]));
            using NpyFile file = NpyFile.Open(In("a.npy"));
            Assert.Equal([3L], file.Entry("array").Shape);
        }
    }

    [Theory]
    [InlineData("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "run code")]
    [InlineData("{'descr': 'O8', 'fortran_order': False, 'shape': (1,), }", "run code")]
    [InlineData("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "records of several fields")]
    [InlineData("{'descr': '<U5', 'fortran_order': False, 'shape': (1,), }", "the type '<U5'")]
    [InlineData("{'descr': '|V2', 'fortran_order': False, 'shape': (4,), }", "the type '|V2'")]
    [InlineData("{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }", "the type '<c16'")]
    [InlineData("{'descr': '|f4', 'fortran_order': False, 'shape': (2,), }", "in which order")]
    [InlineData("{'descr': 'f4', 'fortran_order': False, 'shape': (2,), }", "the type 'f4'")]
    [InlineData("{'descr': '', 'fortran_order': False, 'shape': (2,), }", "the type ''")]
    [InlineData("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", "neither True nor False")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2), }", "not a tuple")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "whole numbers")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,), }", "")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,), }", "whole numbers")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807,), }", "beyond what a file can hold")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "beyond what a file can hold")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2 2), }", "no comma")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "needs 12 bytes, but 8 follow")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "needs 4 bytes, but 8 follow")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, }", "lacks one of")]
    [InlineData("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "'descr' twice")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': '1'}", "'x' twice, or it is not one of")]
    [InlineData("{'descr': '<f4' 'fortran_order': False, 'shape': (2,), }", "no comma")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } __import__('os')", "something follows")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\0", "something follows")]
    [InlineData("{'descr': __import__('os'), 'fortran_order': False, 'shape': (2,), }", "not the dictionary")]
    [InlineData("{'descr': '<f4", "ends within a text")]
    [InlineData("(2,)", "not the dictionary")]
    [InlineData("", "not the dictionary")]
    public void A_header_of_anything_but_numbers_is_refused(string header, string said)
    {
        File.WriteAllBytes(In("a.npy"), Npy(header, 1, new byte[8]));
        string message = Assert.Throws<UserErrorException>(() => NpyFile.Open(In("a.npy"))).Message;
        Assert.Contains(said, message);
        Assert.Contains("a.npy", message);
    }

    [Theory]
    [InlineData(new byte[] { 0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 4, 0, 0, 0, 0, 0 }, "version 4.0")]
    [InlineData(new byte[] { 0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 2, 0, 255, 255, 255, 255 }, "claims 4,294,967,295 bytes")]
    [InlineData(new byte[] { 0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0, 100, 0, 0, 0 }, "ends within its header")]
    [InlineData(new byte[] { 0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0, 1, 0, 0x80 }, "ends within its header")]
    [InlineData(new byte[] { 0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0, 2, 0, 0x80, 0x80 }, "other letters")]
    [InlineData(new byte[] { 1, 2, 3 }, "does not begin as one")]
    public void What_is_no_array_is_refused(byte[] bytes, string said)
    {
        File.WriteAllBytes(In("a.npy"), bytes);
        Assert.Contains(said, Assert.Throws<UserErrorException>(() => NpyFile.Open(In("a.npy"))).Message);
    }

    [Fact]
    public void A_type_that_is_only_known_by_name_is_listed_and_its_reading_refused()
    {
        File.WriteAllBytes(In("a.npy"), Npy("{'descr': '<u2', 'fortran_order': False, 'shape': (4,), }", 1, new byte[8]));
        using NpyFile file = NpyFile.Open(In("a.npy"));
        Assert.Contains("array is of type U16", Assert.Throws<UserErrorException>(() => file.Read("array")).Message);
    }

    [Fact]
    public void An_archive_of_other_things_than_arrays_is_refused()
    {
        byte[] array = Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 1, new byte[8]), objects = Npy("{'descr': '|O', 'fortran_order': False, 'shape': (), }", 1, new byte[8]);
        Assert.Contains("readme.txt, which is no array", Refusal(new("a.npy", array), new("readme.txt", array)));
        Assert.Contains(".npy, which is no array", Refusal(new ZipBytes.File(".npy", array)));
        string message = Refusal(new("a.npy", array), new("b.npy", objects) { Deflate = true });
        Assert.Contains("b.npy", message);
        Assert.Contains("run code", message);
        Assert.Contains("needs 8 bytes, but 9 follow", Refusal(new ZipBytes.File("a.npy", [.. array, 1])));
        Assert.Contains("does not begin as one", Refusal(new ZipBytes.File("a.npy", [])));

        string Refusal(params ZipBytes.File[] files)
        {
            ZipBytes.Write(In("a.npz"), files);
            return Assert.Throws<UserErrorException>(() => NpzFile.Open(In("a.npz"))).Message;
        }
    }

    [Fact]
    public void A_bomb_is_refused_before_it_is_unpacked()
    {
        byte[] array = Npy("{'descr': '|u1', 'fortran_order': False, 'shape': (40000000,), }", 1, new byte[40_000_000]);
        ZipBytes.Write(In("a.npz"), new ZipBytes.File("a.npy", array) { Deflate = true });
        Assert.Contains("bytes; at most 16,", Assert.Throws<UserErrorException>(() => NpzFile.Open(In("a.npz"))).Message);
    }

    [Fact]
    public void A_damaged_array_is_found_by_its_checksum()
    {
        byte[] array = Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 1, new byte[8]);
        foreach (bool deflate in new[] { false, true })
        {
            ZipBytes.Write(In("a.npz"), new ZipBytes.File("a.npy", array) { Deflate = deflate, Crc = 1 });
            using NpzFile file = NpzFile.Open(In("a.npz"));
            Assert.Contains("checksum", Assert.Throws<UserErrorException>(() => file.Read("a")).Message);
            Assert.Contains("checksum", Assert.Throws<UserErrorException>(() => file.View("a")).Message);
        }
    }

    [Fact]
    public void What_numpy_has_no_type_for_is_not_written()
    {
        using torch.Tensor tensor = torch.ones(1, torch.bfloat16);
        Assert.Contains("BF16", Assert.Throws<UserErrorException>(() => NumpyWriter.WriteArray(In("a.npy"), tensor)).Message);
        Assert.Contains("w", Assert.Throws<UserErrorException>(() => NumpyWriter.WriteArchive(In("a.npz"), [new("w", tensor)])).Message);
        using torch.Tensor one = torch.ones(1);
        Assert.Throws<ArgumentException>(() => NumpyWriter.WriteArchive(In("a.npz"), [new("w", one), new("w", one)]));
        Assert.Empty(Directory.GetFiles(folder));
    }

    internal static byte[] Npy(string header, int version, byte[] data)
    {
        byte[] length = version == 1 ? new byte[2] : new byte[4];
        if (version == 1) BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)header.Length);
        else BinaryPrimitives.WriteInt32LittleEndian(length, header.Length);
        return [0x93, .. "NUMPY"u8, (byte)version, 0, .. length, .. Encoding.Latin1.GetBytes(header), .. data];
    }

    private string In(string name) => Path.Combine(folder, name);
}

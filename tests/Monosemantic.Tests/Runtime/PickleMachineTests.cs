using System.Text;
using Monosemantic.Runtime;
using Monosemantic.Runtime.Pickles;

namespace Monosemantic.Tests.Runtime;

public sealed class PickleMachineTests
{
    [Theory]
    [InlineData("cos\nsystem\n(X\u0002\0\0\0lstR.", "os.system")]
    [InlineData("cposix\nsystem\n.", "posix.system")]
    [InlineData("cbuiltins\neval\n.", "builtins.eval")]
    [InlineData("c__builtin__\nexec\n.", "__builtin__.exec")]
    [InlineData("cbuiltins\ngetattr\n.", "builtins.getattr")]
    [InlineData("ctorch.hub\nload\n.", "torch.hub.load")]
    [InlineData("ctorch\nload\n.", "torch.load")]
    [InlineData("ctorch.jit._script\n_unpackage_script_module\n.", "torch.jit._script._unpackage_script_module")]
    [InlineData("ccollections\nOrderedDict.__class__\n.", "collections.OrderedDict.__class__")]
    [InlineData("ctorch._utils\n_rebuild_tensor_v2.__globals__\n.", "torch._utils._rebuild_tensor_v2.__globals__")]
    [InlineData("cnumpy.core.multiarray\nscalar\n.", "numpy.core.multiarray.scalar")]
    [InlineData("ctorch\nFloatStorage.from_file\n.", "torch.FloatStorage.from_file")]
    public void A_name_off_the_list_is_refused_by_that_name(string program, string named)
    {
        string message = Refusal(Latin(program));
        Assert.Contains(named, message);
        Assert.Contains("would run code", message);
    }

    [Theory]
    [InlineData("X\u0002\0\0\0osX\u0006\0\0\0system\u0093.", "os.system")]
    [InlineData("(X\u0002\0\0\0osq\0X\u0006\0\0\0systemq\u00010h\0h\u0001\u0093.", "instruction '0'")]
    [InlineData("K\u0001K\u0002\u0093.", "a name that is no text")]
    [InlineData("(ios\nsystem\n.", "makes an object of a class")]
    [InlineData("ccollections\nOrderedDict\n)\u0081.", "makes an object of a class")]
    [InlineData("(ccollections\nOrderedDict\no.", "makes an object of a class")]
    [InlineData("\u0082\u0001.", "makes an object of a class")]
    public void There_is_no_way_round_the_list(string program, string said) => Assert.Contains(said, Refusal(Latin(program)));

    [Theory]
    [InlineData("_rebuild_sparse_tensor", "a sparse tensor")]
    [InlineData("_rebuild_qtensor", "a quantised tensor")]
    public void A_kind_of_tensor_that_is_not_read_is_said_as_such(string name, string kind)
    {
        string message = Refusal(PickleCode.Global("torch._utils", name));
        Assert.Contains(kind, message);
        Assert.DoesNotContain("run code", message);
    }

    [Theory]
    [InlineData("ccollections\nOrderedDict\n.", "holds collections.OrderedDict itself")]
    [InlineData("ctorch\nFloatStorage\n.", "holds torch.FloatStorage itself")]
    [InlineData("ctorch\nFloatStorage\n)R.", "other arguments")]
    [InlineData("ctorch\nfloat32\n)R.", "other arguments")]
    [InlineData("}}b.", "sets attributes of something")]
    [InlineData("ccollections\nOrderedDict\n)RNb.", "sets attributes of something")]
    [InlineData("K\u0001)R.", "calls something that is no name")]
    [InlineData("ccollections\nOrderedDict\n]R.", "calls something that is no name")]
    [InlineData("NQ.", "no storage")]
    [InlineData("c_codecs\nencode\nX\u0001\0\0\0aX\u0005\0\0\0utf-8\u0086R.", "as utf-8")]
    [InlineData("c_codecs\nencode\nX\u0002\0\0\0\u00c4\u0080X\u0006\0\0\0latin1\u0086R.", "letters as bytes")]
    [InlineData("}]K\u0001s.", "neither a text nor a whole number")]
    [InlineData("}(X\u0001\0\0\0aK\u0001X\u0001\0\0\0aK\u0002u.", "the key a twice")]
    [InlineData("}(K\u0001K\u0002K\u0003u.", "key without a value")]
    [InlineData("K\u0001K\u0002a.", "appends to something")]
    [InlineData("]K\u0001K\u0002s.", "no value|no dictionary")]
    [InlineData("h\u0005.", "recalls value 5")]
    [InlineData("t.", "never opened")]
    [InlineData("(K\u0001.", "leaves 1 values")]
    [InlineData("K\u0001K\u0002.", "leaves 2 values")]
    [InlineData(".", "leaves 0 values")]
    [InlineData("K\u0001(R.", "where there is none")]
    [InlineData("q\0.", "where there is none")]
    [InlineData("X\u00ff\u00ff\u00ff\u00ff.", "claims 4,294,967,295 more bytes")]
    [InlineData("\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff.", "more bytes than it has")]
    [InlineData("\u008e\0\0\0\0\0\0\0\u0080.", "more bytes than it has")]
    [InlineData("\u008b\u00ff\u00ff\u00ff\u007f.", "a whole number of 2,147,483,647 bytes")]
    [InlineData("\u008b\u00ff\u00ff\u00ff\u00ff.", "a whole number of -1 bytes")]
    [InlineData("X\u0001\0\0\0\u00ff.", "not UTF-8")]
    [InlineData("cabc", "ends within a name")]
    [InlineData("\u0080\u0006N.", "protocol 6")]
    [InlineData("I1\n.", "instruction 'I'")]
    [InlineData("\u00fe.", "instruction 0xfe")]
    public void A_program_that_makes_no_sense_is_refused(string program, string said)
    {
        string message = Refusal(Latin(program));
        Assert.Contains(said.Split('|'), one => message.Contains(one, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("]q\0h\0a.")]
    [InlineData("}q\0K\u0001h\0s.")]
    [InlineData("]q\0h\0\u0085a.")]
    [InlineData("ccollections\nOrderedDict\n)Rq\0K\u0001h\0s.")]
    public void What_contains_itself_is_refused(string program) => Assert.Contains("contains itself", Refusal(Latin(program)));

    [Fact]
    public void Depth_is_bounded_however_it_comes_about()
    {
        Assert.IsType<PickleSequence>(Run([.. Repeat("]", 100), .. Repeat("a", 99), (byte)'.']));
        Assert.Contains("100 levels", Refusal([.. Repeat("]", 102), .. Repeat("a", 101)]));
        Assert.Contains("100 levels", Refusal([.. Repeat("]", 100_000), .. Repeat("a", 99_999)]));
        // A finished part of 60 levels, kept and put below 60 others.
        byte[] part = [.. Repeat("]", 60), .. Repeat("a", 59), (byte)'q', 0], again = [.. Repeat("]", 60), (byte)'h', 0, .. Repeat("a", 60)];
        Assert.Contains("100 levels", Refusal([(byte)'(', .. part, .. again, (byte)'t']));
    }

    [Fact]
    public void A_short_program_cannot_ask_for_a_large_tree()
    {
        // A list of two of a list of two of ..: sixty levels are 2^60 values.
        var program = new List<byte>([.. "]q\0"u8]);
        for (int level = 0; level < 60; level++) program.AddRange([(byte)']', (byte)'(', (byte)'h', (byte)level, (byte)'h', (byte)level, (byte)'e', (byte)'q', (byte)(level + 1)]);
        program.InsertRange(0, "("u8);
        program.Add((byte)'t');
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("at most 2,000,000", Refusal([.. program]));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void A_short_program_cannot_copy_the_same_bytes_again_and_again()
    {
        byte[] text = [.. PickleCode.Global("_codecs", "encode"), (byte)'q', 0, .. PickleCode.Text(new string('a', 100_000)), .. PickleCode.Text("latin1"), 0x86, (byte)'q', 1, (byte)'R'];
        byte[] program = [(byte)'(', .. text, .. Enumerable.Repeat<byte[]>([(byte)'h', 0, (byte)'h', 1, (byte)'R'], 1000).SelectMany(call => call), (byte)'t'];
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("far more data", Refusal(program));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10 * program.Length);
    }

    [Fact]
    public void Steps_are_bounded()
    {
        byte[] program = new byte[PickleMachine.MaxSteps + 10];
        Array.Fill(program, (byte)'N');
        Assert.Contains("more than 2,000,000 steps", Refusal(program));
    }

    [Theory]
    [InlineData(6, 0, new long[] { 2, 3 }, new long[] { 3, 1 }, true)]
    [InlineData(6, 0, new long[] { 3, 2 }, new long[] { 1, 3 }, true)]
    [InlineData(6, 1, new long[] { 2, 3 }, new long[] { 3, 1 }, false)]
    [InlineData(6, 5, new long[] { 1 }, new long[] { 1000 }, true)]
    [InlineData(6, 6, new long[] { }, new long[] { }, false)]
    [InlineData(6, 5, new long[] { }, new long[] { }, true)]
    [InlineData(6, 6, new long[] { 0, 9 }, new long[] { 9, 1 }, true)]
    [InlineData(6, 7, new long[] { 0 }, new long[] { 1 }, false)]
    [InlineData(0, 0, new long[] { 0 }, new long[] { 1 }, true)]
    [InlineData(0, 0, new long[] { }, new long[] { }, false)]
    [InlineData(6, 0, new long[] { 7 }, new long[] { 0 }, true)]
    [InlineData(6, 0, new long[] { 2 }, new long[] { long.MaxValue }, false)]
    [InlineData(6, long.MaxValue, new long[] { 1 }, new long[] { 1 }, false)]
    [InlineData(6, 0, new long[] { long.MaxValue }, new long[] { long.MaxValue }, false)]
    [InlineData(6, 0, new long[] { 1L << 32, 1L << 32 }, new long[] { 0, 0 }, false)]
    [InlineData(6, -1, new long[] { 1 }, new long[] { 1 }, false)]
    [InlineData(6, 0, new long[] { -1 }, new long[] { 1 }, false)]
    [InlineData(6, 5, new long[] { 2 }, new long[] { -1 }, false)]
    [InlineData(6, 0, new long[] { 2, 3 }, new long[] { 1 }, false)]
    public void A_tensor_lies_inside_its_storage_or_is_refused(long count, long offset, long[] shape, long[] strides, bool sound)
    {
        byte[] program = PickleCode.Tensor("0", count, offset, shape, strides);
        if (!sound)
        {
            Refusal(program);
            return;
        }
        var tensor = Assert.IsType<PickleTensor>(Run([.. program, (byte)'.']));
        Assert.Equal(shape, tensor.Shape);
        Assert.Equal(strides, tensor.Strides);
        Assert.Equal(offset, tensor.Offset);
    }

    [Fact]
    public void A_tensor_may_have_sixty_four_dimensions_and_no_more()
    {
        Run([.. PickleCode.Tensor("0", 1, 0, [.. Enumerable.Repeat(1L, 64)], [.. Enumerable.Repeat(1L, 64)]), (byte)'.']);
        Assert.Contains("64 dimensions", Refusal(PickleCode.Tensor("0", 1, 0, [.. Enumerable.Repeat(1L, 65)], [.. Enumerable.Repeat(1L, 65)])));
    }

    [Theory]
    [InlineData("float8_e4m3fn", "UntypedStorage", 6, "F8_E4M3")]
    [InlineData("uint16", "UntypedStorage", 12, "U16")]
    [InlineData("float32", "UntypedStorage", 24, "F32")]
    public void A_tensor_of_version_three_brings_its_own_type(string type, string storage, long bytes, string element)
    {
        byte[] call = [.. PickleCode.Global("torch._utils", "_rebuild_tensor_v3"), .. PickleCode.Tuple(PickleCode.Storage("0", bytes, storage), PickleCode.Integer(0), PickleCode.Integers(6), PickleCode.Integers(1), [0x89], PickleCode.Hooks(), PickleCode.Global("torch", type)), (byte)'R'];
        Assert.Equal(element, Assert.IsType<PickleTensor>(Run([.. call, (byte)'.'])).Element.Name);
        byte[] beyond = [.. PickleCode.Global("torch._utils", "_rebuild_tensor_v3"), .. PickleCode.Tuple(PickleCode.Storage("0", bytes - 1, storage), PickleCode.Integer(0), PickleCode.Integers(6), PickleCode.Integers(1), [0x89], PickleCode.Hooks(), PickleCode.Global("torch", type)), (byte)'R'];
        Assert.Contains("reaches beyond its storage", Refusal(beyond));
    }

    [Fact]
    public void A_tensor_that_is_to_be_negated_is_refused()
    {
        byte[] Call(byte[] metadata) => [.. PickleCode.Global("torch._utils", "_rebuild_tensor_v2"), .. PickleCode.Tuple(PickleCode.Storage("0", 1), PickleCode.Integer(0), PickleCode.Integers(), PickleCode.Integers(), [0x89], PickleCode.Hooks(), metadata), (byte)'R'];
        Run([.. Call([(byte)'}']), (byte)'.']);
        Assert.Contains("negated", Refusal(Call([(byte)'}', .. PickleCode.Text("neg"), 0x88, (byte)'s'])));
    }

    [Fact]
    public void A_part_of_a_storage_is_read_as_the_oldest_files_have_it()
    {
        byte[] Part(long first, long length) => [.. PickleCode.Tuple(PickleCode.Text("storage"), PickleCode.Global("torch", "FloatStorage"), PickleCode.Text("0"), PickleCode.Text("cpu"), PickleCode.Integer(10), PickleCode.Tuple(PickleCode.Text("1"), PickleCode.Integer(first), PickleCode.Integer(length))), (byte)'Q'];
        byte[] Tensor(byte[] storage) => [.. PickleCode.Global("torch._utils", "_rebuild_tensor"), .. PickleCode.Tuple(storage, PickleCode.Integer(1), PickleCode.Integers(3), PickleCode.Integers(1)), (byte)'R'];
        var tensor = Assert.IsType<PickleTensor>(Run([.. Tensor(Part(4, 4)), (byte)'.']));
        Assert.Equal((4, 4, 1), (tensor.Storage.Start, tensor.Storage.Length, tensor.Offset));
        Assert.Contains("reaches beyond", Refusal(Tensor(Part(4, 3))));
        Assert.Contains("no part of 4 from 7", Refusal(Tensor(Part(7, 4))));
        Assert.Contains("no part of", Refusal(Tensor(Part(1, long.MaxValue))));
    }

    [Fact]
    public void The_source_code_of_a_model_is_refused() =>
        Assert.Contains("source code", Refusal([.. PickleCode.Tuple(PickleCode.Text("module"), PickleCode.Text("Net"), PickleCode.Text("net.py"), PickleCode.Text("class Net: ..")), (byte)'Q']));

    private static PickleValue Run(byte[] program) => PickleMachine.Run(program, "test.pt", out _);

    private static string Refusal(byte[] program)
    {
        string message = Assert.Throws<UserErrorException>(() => Run([.. program, (byte)'.'])).Message;
        Assert.Contains("test.pt", message);
        return message;
    }

    // The cases above end themselves; a second end after it is never reached.
    private static byte[] Latin(string program) => Encoding.Latin1.GetBytes(program);

    private static IEnumerable<byte> Repeat(string code, int times) => Enumerable.Repeat((byte)code[0], times);
}

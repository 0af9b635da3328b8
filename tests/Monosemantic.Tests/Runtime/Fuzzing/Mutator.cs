using System.Buffers.Binary;
using System.Text;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Runtime.Fuzzing;

/// <summary>Damages files at random, but the same way for the same seed: bits, bytes, lengths, cuts, doublings, and pieces of other files.</summary>
internal sealed class Mutator(long seed, byte[][] files)
{
    private static readonly long[] Numbers =
    [
        0, 1, 2, -1, 4, 7, 8, 64, 127, 128, 255, 256, 32_767, 65_535, 65_536, int.MaxValue, uint.MaxValue, 1L << 32, 1L << 40, 1L << 62, long.MaxValue, long.MinValue, 100_000_000, 100_000_001,
    ];

    // What the formats are made of, so that damage also comes in whole words.
    private static readonly byte[][] Words =
    [
        .. new[]
        {
            "{", "}", "[", "]", ",", ":", "\"", "\"dtype\":\"F64\"", "\"shape\":[0]", "\"data_offsets\":[0,0]", "__metadata__", "-1", "9223372036854775807", "18446744073709551615", "1e9", "\\ud800", "\"weight_map\":{", "../", "F16", "BOOL",
            "'descr': '>f8'", "'fortran_order': True", "'shape': (0,)", "(3,)", "|O", "False", "PK\u0003\u0004", "PK\u0001\u0002", "PK\u0005\u0006", "PK\u0006\u0006", "PK\u0006\u0007",
            "cos\nsystem\n", "ccollections\nOrderedDict\n", "ctorch\nFloatStorage\n", "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_tensor_v3\n", "c_codecs\nencode\n", "ctorch\nbool\n",
        }.Select(Encoding.Latin1.GetBytes),
        .. "().NQRabcdeghijlopqrstu\u0080\u0081\u0085\u0086\u0087\u0088\u0089\u008a\u0090\u0091\u0093\u0094".Select(code => new[] { (byte)code }),
    ];

    private readonly SeededRandom random = new(seed);

    /// <summary>The next damaged file.</summary>
    internal byte[] Next()
    {
        var bytes = new List<byte>(Pick(files));
        // Half of the files are damaged in one small place, so that many get past the first check.
        if (random.Next(2) == 0) Damage(bytes, random.Next(5));
        else for (int times = 1 + random.Next(4); times > 0; times--) Damage(bytes, random.Next(12));
        return [.. bytes];
    }

    private void Damage(List<byte> bytes, int how)
    {
        if (bytes.Count == 0) bytes.Add(0);
        int at = random.Next(bytes.Count), length = 1 + random.Next(Math.Min(bytes.Count - at, 1 + random.Next(64)));
        switch (how)
        {
            case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
            case 1: bytes[at] = (byte)random.Next(256); break;
            case 2: Overwrite(bytes, at, Number()); break;
            case 4: Overwrite(bytes, at, BitConverter.GetBytes(bytes.Count + random.Next(5) - 2)); break;
            case 5: bytes.RemoveRange(at, bytes.Count - at); break;
            case 6: bytes.RemoveRange(at, length); break;
            case 7: bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(at, length)); break;
            case 8: bytes.InsertRange(at, Pick(Words)); break;
            case 9: Overwrite(bytes, at, Pick(Words)); break;
            case 3: Digits(bytes, at); break;
            case 10: Splice(bytes, at); break;
            default: Overwrite(bytes, at, new byte[length]); break;
        }
    }

    private byte[] Number()
    {
        byte[] number = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, Pick(Numbers));
        return number[..(1 << random.Next(4))];
    }

    // A number written in digits becomes another.
    private void Digits(List<byte> bytes, int from)
    {
        int at = bytes.FindIndex(from, value => value is >= (byte)'0' and <= (byte)'9');
        if (at < 0) return;
        int end = at;
        while (end < bytes.Count && bytes[end] is >= (byte)'0' and <= (byte)'9') end++;
        bytes.RemoveRange(at, end - at);
        bytes.InsertRange(at, Encoding.ASCII.GetBytes(Pick(Numbers).ToString()));
    }

    private void Splice(List<byte> bytes, int at)
    {
        byte[] other = Pick(files);
        int from = random.Next(other.Length);
        bytes.RemoveRange(at, bytes.Count - at);
        bytes.AddRange(other.AsSpan(from));
    }

    private static void Overwrite(List<byte> bytes, int at, byte[] with)
    {
        for (int i = 0; i < with.Length && at + i < bytes.Count; i++) bytes[at + i] = with[i];
    }

    private T Pick<T>(T[] items) => items[random.Next(items.Length)];
}

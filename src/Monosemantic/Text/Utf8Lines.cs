using System.Buffers;
using System.Text.Unicode;
using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>One line of a text file.</summary>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Text">Its text without the line end.</param>
internal readonly record struct Utf8Line(long Number, string Text);

/// <summary>
/// Reads UTF-8 line by line from a stream of any length and refuses what is not UTF-8 rather than repairing it: a corpus
/// with replacement characters would train a model on damage. A byte order mark at the start is dropped; lines end with
/// LF or CR LF.
/// </summary>
internal static class Utf8Lines
{
    /// <summary>Longest line that is read, in bytes.</summary>
    public const int MaxLineBytes = 64 << 20;

    private const int BufferBytes = 1 << 20;

    /// <summary>Reads all lines.</summary>
    /// <param name="stream">The bytes.</param>
    /// <param name="source">The name to give in errors, usually the path.</param>
    /// <param name="maxLineBytes">Longest line that is read, in bytes.</param>
    /// <exception cref="UserErrorException">A line is not UTF-8, or longer than the limit.</exception>
    public static IEnumerable<Utf8Line> Read(Stream stream, string source, int maxLineBytes = MaxLineBytes)
    {
        byte[] buffer = new byte[Math.Min(BufferBytes, maxLineBytes + 1)];
        long offset = 0, number = 0;
        int filled = 0, start = 0;
        bool ended = false;
        while (!ended || start < filled)
        {
            int length = buffer.AsSpan(start, filled - start).IndexOf((byte)'\n');
            if (length < 0 && !ended)
            {
                (buffer, filled, start, ended) = Refill(stream, buffer, filled, start, source, number + 1, maxLineBytes);
                continue;
            }
            int consumed = length < 0 ? filled - start : length + 1;
            string text = Decode(buffer.AsSpan(start, length < 0 ? consumed : length), source, offset);
            yield return new Utf8Line(++number, text);
            start += consumed;
            offset += consumed;
        }
    }

    /// <summary>Throws where bytes are not UTF-8.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <param name="source">The name to give in the error.</param>
    /// <param name="offset">Where the bytes are in their file.</param>
    public static void Check(ReadOnlySpan<byte> utf8, string source, long offset)
    {
        if (Utf8.IsValid(utf8)) return;
        long at = offset + FirstInvalid(utf8);
        throw new UserErrorException(
            $"{source} is not UTF-8: invalid bytes at byte offset {at:N0} (0x{at:X})",
            "convert the file to UTF-8 first, for example with iconv -f LATIN1 -t UTF-8, or repair that place");
    }

    /// <summary>The length of a byte order mark at the start of some bytes: 3 or 0.</summary>
    /// <param name="utf8">The start of a file.</param>
    public static int ByteOrderMark(ReadOnlySpan<byte> utf8) => utf8.StartsWith("\uFEFF"u8) ? 3 : 0;

    private static (byte[] Buffer, int Filled, int Start, bool Ended) Refill(
        Stream stream, byte[] buffer, int filled, int start, string source, long line, int maxLineBytes)
    {
        int kept = filled - start;
        if (kept > maxLineBytes) throw TooLong(source, line, maxLineBytes);
        byte[] target = kept * 2L > buffer.Length ? new byte[Math.Min(buffer.Length * 2L, maxLineBytes + 1L)] : buffer;
        buffer.AsSpan(start, kept).CopyTo(target);
        int read = stream.Read(target, kept, target.Length - kept);
        if (read == 0 && kept == target.Length) throw TooLong(source, line, maxLineBytes);
        return (target, kept + read, 0, read == 0);
    }

    private static UserErrorException TooLong(string source, long line, int maxLineBytes) => new(
        $"{source}, line {line:N0} is longer than {maxLineBytes:N0} bytes",
        "a corpus has one document a line (.jsonl) or documents between blank lines (.txt): is this a text file?");

    private static string Decode(ReadOnlySpan<byte> line, string source, long offset)
    {
        if (line is [.., (byte)'\r']) line = line[..^1];
        if (offset == 0) line = line[ByteOrderMark(line)..];
        Check(line, source, offset);
        return System.Text.Encoding.UTF8.GetString(line);
    }

    private static int FirstInvalid(ReadOnlySpan<byte> utf8)
    {
        int at = 0;
        while (at < utf8.Length && System.Text.Rune.DecodeFromUtf8(utf8[at..], out _, out int length) == OperationStatus.Done) at += length;
        return at;
    }
}

using System.Collections.Immutable;
using System.Text;

namespace Monosemantic.Text;

/// <summary>
/// The visible characters that GPT-2's byte-level vocabularies write bytes with. The bytes 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF
/// stand for themselves; the other 68, in ascending order, are written as U+0100, U+0101, ... (a space as U+0120).
/// Source: OpenAI's GPT-2 release; Hugging Face tokenizers, pre_tokenizers/byte_level.rs.
/// </summary>
public static class ByteAlphabet
{
    private const int FirstStandIn = 0x100;

    private static readonly char[] CharacterOf = MakeCharacters();
    private static readonly short[] ByteOf = MakeBytes();

    /// <summary>The 256 bytes in ascending order of their characters: the order of the first 256 tokens of GPT-2.</summary>
    public static ImmutableArray<byte> Order { get; } = [.. Enumerable.Range(0, 256).Select(value => (byte)value).OrderBy(ToCharacter)];

    /// <summary>The character that a byte is written with.</summary>
    /// <param name="value">The byte.</param>
    public static char ToCharacter(byte value) => CharacterOf[value];

    /// <summary>Bytes written in the alphabet, one character a byte.</summary>
    /// <param name="bytes">The bytes.</param>
    public static string Write(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (byte value in bytes) text.Append(CharacterOf[value]);
        return text.ToString();
    }

    /// <summary>
    /// The bytes that a vocabulary entry stands for. An entry with any character outside the alphabet stands for its own UTF-8
    /// bytes, as in Hugging Face's byte-level decoder.
    /// </summary>
    /// <param name="entry">The entry as the vocabulary writes it.</param>
    public static byte[] Read(string entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var bytes = new byte[entry.Length];
        for (int i = 0; i < entry.Length; i++)
        {
            if (entry[i] >= ByteOf.Length || ByteOf[entry[i]] < 0) return Encoding.UTF8.GetBytes(entry);
            bytes[i] = (byte)ByteOf[entry[i]];
        }
        return bytes;
    }

    private static bool StandsForItself(int value) => value is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);

    private static char[] MakeCharacters()
    {
        var characters = new char[256];
        int next = FirstStandIn;
        for (int value = 0; value < 256; value++) characters[value] = (char)(StandsForItself(value) ? value : next++);
        return characters;
    }

    private static short[] MakeBytes()
    {
        var bytes = new short[CharacterOf.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < 256; value++) bytes[CharacterOf[value]] = (short)value;
        return bytes;
    }
}

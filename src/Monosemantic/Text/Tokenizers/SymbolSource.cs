using System.Text;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>The tokens for what has none of its own.</summary>
/// <param name="Token">The id, or -1 where there is none.</param>
/// <param name="Fuse">Whether neighbours become one token.</param>
internal readonly record struct UnknownToken(int Token, bool Fuse);

/// <summary>Turns the text of a pre-token into the symbols that merging starts from.</summary>
internal abstract class SymbolSource(UnknownToken unknown)
{
    /// <summary>Most symbols that one UTF-16 unit can become.</summary>
    public const int MaxPerUnit = 3;

    /// <summary>Writes the symbols of a text and the UTF-8 bytes that each stands for; returns how many there are.</summary>
    /// <param name="text">The text.</param>
    /// <param name="symbols">Room for <see cref="MaxPerUnit"/> symbols a unit.</param>
    /// <param name="lengths">As much room.</param>
    /// <exception cref="UserErrorException">A character has no symbol, and there is none for unknown ones.</exception>
    public int Read(ReadOnlySpan<char> text, Span<int> symbols, Span<int> lengths)
    {
        int count = 0;
        bool open = false;
        while (!text.IsEmpty)
        {
            int before = count, width = Next(text, symbols, lengths, ref count);
            bool known = count > before;
            if (!known) AddUnknown(text[..width], open, symbols, lengths, ref count);
            open = !known;
            text = text[width..];
        }
        return count;
    }

    /// <summary>Writes the symbols of the first character; none where it has none. Returns its width.</summary>
    protected abstract int Next(ReadOnlySpan<char> text, Span<int> symbols, Span<int> lengths, ref int count);

    private void AddUnknown(ReadOnlySpan<char> character, bool open, Span<int> symbols, Span<int> lengths, ref int count)
    {
        Rune.DecodeFromUtf16(character, out Rune rune, out _);
        if (unknown.Token < 0) throw Missing(rune);
        if (!open || !unknown.Fuse) (symbols[count], lengths[count++]) = (unknown.Token, 0);
        lengths[count - 1] += rune.Utf8SequenceLength;
    }

    private static UserErrorException Missing(Rune rune) => new(
        $"the character \"{rune}\" (U+{rune.Value:X4}) is not in the tokenizer's vocabulary, and it has no token for unknown characters",
        "use the tokenizer that belongs to the text, or take the character out of the text");
}

/// <summary>One symbol a UTF-8 byte.</summary>
/// <param name="byteTokens">The token of each byte; -1 where there is none, as for the bytes that never occur in UTF-8.</param>
/// <param name="unknown">The token of a character that has a byte without one.</param>
internal sealed class ByteSymbols(int[] byteTokens, UnknownToken unknown) : SymbolSource(unknown)
{
    protected override int Next(ReadOnlySpan<char> text, Span<int> symbols, Span<int> lengths, ref int count)
    {
        if (text[0] < 0x80)
        {
            if (byteTokens[text[0]] >= 0) (symbols[count], lengths[count++]) = (byteTokens[text[0]], 1);
            return 1;
        }
        Rune.DecodeFromUtf16(text, out Rune rune, out int width);
        CharacterBytes.Add(rune, byteTokens, symbols, lengths, ref count);
        return width;
    }
}

/// <summary>One symbol a character, and one a byte for characters that have none.</summary>
internal sealed class CharacterSymbols : SymbolSource
{
    private readonly int[] units = new int[1 << 16];
    private readonly Dictionary<int, int> others = [];
    private readonly int[]? byteTokens;

    /// <summary>Makes the tables.</summary>
    /// <param name="symbolOf">The symbol of each character that has one.</param>
    /// <param name="byteTokens">The token of each byte; null where characters without a symbol are unknown.</param>
    /// <param name="unknown">The token of characters without a symbol, where bytes have none.</param>
    public CharacterSymbols(IEnumerable<(Rune Character, int Symbol)> symbolOf, int[]? byteTokens, UnknownToken unknown)
        : base(unknown)
    {
        this.byteTokens = byteTokens;
        Array.Fill(units, -1);
        foreach ((Rune character, int symbol) in symbolOf)
        {
            if (character.IsBmp) units[character.Value] = symbol;
            else others[character.Value] = symbol;
        }
    }

    /// <summary>Whether a character has a symbol of its own; only asked of the Basic Multilingual Plane.</summary>
    public bool Knows(char unit) => units[unit] >= 0;

    protected override int Next(ReadOnlySpan<char> text, Span<int> symbols, Span<int> lengths, ref int count)
    {
        Rune.DecodeFromUtf16(text, out Rune rune, out int width);
        int symbol = rune.IsBmp ? units[rune.Value] : others.GetValueOrDefault(rune.Value, -1);
        if (symbol >= 0) (symbols[count], lengths[count++]) = (symbol, rune.Utf8SequenceLength);
        else if (byteTokens is not null) CharacterBytes.Add(rune, byteTokens, symbols, lengths, ref count);
        return width;
    }
}

/// <summary>A character as the tokens of its bytes.</summary>
internal static class CharacterBytes
{
    /// <summary>Adds the token of each byte, or nothing where one of them has none.</summary>
    public static void Add(Rune rune, int[] byteTokens, Span<int> symbols, Span<int> lengths, ref int count)
    {
        Span<byte> utf8 = stackalloc byte[4];
        utf8 = utf8[..rune.EncodeToUtf8(utf8)];
        foreach (byte value in utf8)
        {
            if (byteTokens[value] < 0) return;
        }
        foreach (byte value in utf8) (symbols[count], lengths[count++]) = (byteTokens[value], 1);
    }
}

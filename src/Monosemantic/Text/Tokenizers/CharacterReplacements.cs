using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// The table of replacements that SentencePiece packs into a model (<c>precompiled_charsmap</c>): a double-array trie over
/// UTF-8, whose values are places in a text of replacements that end with a zero byte. Source: google/sentencepiece,
/// normalizer.cc; s-yata/darts-clone for the trie.
/// </summary>
internal sealed class CharacterReplacements
{
    private const int MaxKeyBytes = 256;

    private readonly Dictionary<string, string> byText = new(StringComparer.Ordinal);
    private readonly int longest;

    private CharacterReplacements(IEnumerable<(string From, string To)> entries)
    {
        foreach ((string from, string to) in entries)
        {
            byText[from] = to;
            longest = Math.Max(longest, from.Length);
        }
    }

    /// <summary>Reads the table; null where there is none.</summary>
    /// <exception cref="UserErrorException">It is damaged.</exception>
    public static CharacterReplacements? Read(ReadOnlySpan<byte> packed, string source)
    {
        if (packed.IsEmpty) return null;
        uint trieBytes = packed.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(packed) : uint.MaxValue;
        if (trieBytes > packed.Length - 4 || trieBytes % 4 != 0 || trieBytes == 0) throw Bad(source);
        var units = new uint[trieBytes / 4];
        for (int i = 0; i < units.Length; i++) units[i] = BinaryPrimitives.ReadUInt32LittleEndian(packed[(4 + i * 4)..]);
        byte[] texts = packed[(int)(4 + trieBytes)..].ToArray();
        var entries = new List<(string From, string To)>();
        var trie = new Trie(units, value => TextAt(texts, value, source), entries, source);
        trie.Walk(0);
        return new CharacterReplacements(entries);
    }

    /// <summary>Length of the longest replaced text that a text begins with; 0 where there is none.</summary>
    /// <param name="text">The text.</param>
    /// <param name="by">What replaces it.</param>
    public int Match(ReadOnlySpan<char> text, out string? by)
    {
        var lookup = byText.GetAlternateLookup<ReadOnlySpan<char>>();
        for (int length = Math.Min(longest, text.Length); length > 0; length--)
        {
            if (lookup.TryGetValue(text[..length], out by)) return length;
        }
        by = null;
        return 0;
    }

    private static string TextAt(byte[] texts, int at, string source)
    {
        int end = at < texts.Length ? Array.IndexOf(texts, (byte)0, at) : -1;
        if (end < 0 || !Utf8.IsValid(texts.AsSpan(at..end))) throw Bad(source);
        return Encoding.UTF8.GetString(texts, at, end - at);
    }

    private static UserErrorException Bad(string source) => new($"{source}: normalizer_spec.precompiled_charsmap is damaged", "take the file from the model's publisher again");

    // A unit: 8 bits of label, bit 8 whether a value hangs here, bit 9 whether the offset is in steps of 256, 22 bits of offset.
    private sealed class Trie(uint[] units, Func<int, string> valueOf, List<(string From, string To)> entries, string source)
    {
        private readonly bool[] seen = new bool[units.Length];
        private readonly List<byte> key = [];

        public void Walk(int node)
        {
            int children = node ^ (int)((units[node] >> 10) << (int)((units[node] & (1 << 9)) >> 6));
            // In a tree no place is come to twice.
            if (key.Count > MaxKeyBytes || seen[node] || (uint)children >= (uint)units.Length) throw Bad(source);
            seen[node] = true;
            if ((units[node] >> 8 & 1) == 1) AddEntry(valueOf((int)(units[children] & int.MaxValue)));
            for (int label = 1; label < 256; label++)
            {
                int child = children ^ label;
                if (child >= units.Length || (units[child] & 0x800000FF) != (uint)label) continue;
                key.Add((byte)label);
                Walk(child);
                key.RemoveAt(key.Count - 1);
            }
        }

        private void AddEntry(string value)
        {
            byte[] from = [.. key];
            if (from.Length == 0 || !Utf8.IsValid(from)) throw Bad(source);
            entries.Add((Encoding.UTF8.GetString(from), value));
        }
    }
}

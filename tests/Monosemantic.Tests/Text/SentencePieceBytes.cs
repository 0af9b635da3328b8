using System.Buffers.Binary;
using System.Text;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Tests.Text;

/// <summary>Writes SentencePiece models, for tests.</summary>
internal static class SentencePieceBytes
{
    internal static (string Text, float Score, PieceType Type) Piece(string text, float score, PieceType type = PieceType.Normal) => (text, score, type);

    /// <summary>The marks and bytes that a model with byte fallback begins with.</summary>
    internal static List<(string Text, float Score, PieceType Type)> Marks(bool bytes)
    {
        List<(string Text, float Score, PieceType Type)> pieces = [("<unk>", 0, PieceType.Unknown), ("<s>", 0, PieceType.Control), ("</s>", 0, PieceType.Control)];
        if (bytes) pieces.AddRange(Enumerable.Range(0, 256).Select(value => ($"<0x{value:X2}>", 0f, PieceType.Byte)));
        return pieces;
    }

    /// <summary>A model file.</summary>
    /// <param name="pieces">The pieces.</param>
    /// <param name="modelType">1 unigram, 2 BPE, 3 word, 4 char.</param>
    /// <param name="byteFallback">Whether unknown characters become bytes.</param>
    /// <param name="addPrefix">Whether a space is put in front.</param>
    /// <param name="removeSpaces">Whether superfluous spaces are removed.</param>
    /// <param name="replacements">A packed table of replacements; empty for none.</param>
    internal static byte[] Model(
        IEnumerable<(string Text, float Score, PieceType Type)> pieces, int modelType, bool byteFallback = false, bool addPrefix = true, bool removeSpaces = false, byte[]? replacements = null)
    {
        var file = new List<byte>();
        foreach ((string text, float score, PieceType type) in pieces)
        {
            Message(file, 1, [.. Message([], 1, Encoding.UTF8.GetBytes(text)), 0x15, .. BitConverter.GetBytes(score), 0x18, (byte)type]);
        }
        // trainer_spec: model_type = 3, byte_fallback = 35.
        Message(file, 2, [0x18, (byte)modelType, 0x98, 0x02, (byte)(byteFallback ? 1 : 0)]);
        List<byte> normalizer = [0x18, (byte)(addPrefix ? 1 : 0), 0x20, (byte)(removeSpaces ? 1 : 0)];
        if (replacements is not null) Message(normalizer, 2, replacements);
        Message(file, 3, [.. normalizer]);
        return [.. file];
    }

    internal static List<byte> Message(List<byte> to, int number, byte[] content)
    {
        Varint(to, (uint)(number << 3) | 2);
        Varint(to, (uint)content.Length);
        to.AddRange(content);
        return to;
    }

    /// <summary>
    /// Packs replacements as the trie that SentencePiece writes: every node has 256 places of its own, so that a child's place is
    /// its label's. The root's offset is written in steps of 256, the others' in ones.
    /// </summary>
    internal static byte[] Replacements(params (string From, string To)[] entries)
    {
        var texts = new List<byte>();
        var units = new List<uint>(new uint[512]);
        units[0] = (1 << 9) | (1u << 10);
        foreach ((string from, string to) in entries)
        {
            int node = 0, children = 256;
            foreach (byte label in Encoding.UTF8.GetBytes(from))
            {
                node = children ^ label;
                if (units[node] == 0)
                {
                    units[node] = ((uint)(node ^ units.Count) << 10) | label;
                    units.AddRange(new uint[256]);
                }
                children = node ^ (int)(units[node] >> 10);
            }
            units[node] |= 1 << 8;
            units[children] = 0x80000000 | (uint)texts.Count;
            texts.AddRange([.. Encoding.UTF8.GetBytes(to), 0]);
        }
        byte[] packed = new byte[4 + units.Count * 4];
        BinaryPrimitives.WriteInt32LittleEndian(packed, units.Count * 4);
        for (int i = 0; i < units.Count; i++) BinaryPrimitives.WriteUInt32LittleEndian(packed.AsSpan(4 + i * 4), units[i]);
        return [.. packed, .. texts];
    }

    private static void Varint(List<byte> to, uint value)
    {
        for (; value >= 0x80; value >>= 7) to.Add((byte)(value | 0x80));
        to.Add((byte)value);
    }
}

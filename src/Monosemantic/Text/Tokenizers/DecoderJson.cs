using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Monosemantic.Text.Tokenizers;

/// <summary>How a piece becomes bytes.</summary>
internal sealed record PieceDecoding
{
    /// <summary>Whether pieces are written in the <see cref="Text.ByteAlphabet"/>.</summary>
    public bool ByteAlphabet { get; init; }

    /// <summary>Texts of a piece that stand for others.</summary>
    public ImmutableArray<(string From, string To)> Replacements { get; init; } = [];

    /// <summary>Whether <c>&lt;0xE2&gt;</c> is that byte.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Whether a space at the beginning of a sequence is taken away.</summary>
    public bool StripsSpace { get; init; }

    /// <summary>What stands between two pieces.</summary>
    public string Separator { get; init; } = "";

    /// <summary>How a byte's token is written.</summary>
    public static string ByteToken(byte value) => $"<0x{value.ToString("X2", CultureInfo.InvariantCulture)}>";

    /// <summary>The bytes of a piece.</summary>
    public byte[] Decode(string piece)
    {
        if (ByteAlphabet) return Text.ByteAlphabet.Read(piece);
        if (ByteFallback && ByteOf(piece) is { } value) return [value];
        foreach ((string from, string to) in Replacements) piece = piece.Replace(from, to, StringComparison.Ordinal);
        return Encoding.UTF8.GetBytes(piece);
    }

    /// <summary>The bytes of every piece by id. In the byte alphabet, those that are matched as a whole stand for their own text.</summary>
    public byte[]?[] DecodeAll(string?[] pieces, ImmutableArray<AddedToken> added)
    {
        FrozenSet<int> whole = ByteAlphabet ? added.Select(token => token.Id).ToFrozenSet() : [];
        return [.. pieces.Select((piece, id) => piece is null ? null : whole.Contains(id) ? Encoding.UTF8.GetBytes(piece) : Decode(piece))];
    }

    /// <summary>The byte that a piece such as <c>&lt;0xE2&gt;</c> stands for; null for other pieces.</summary>
    public static byte? ByteOf(string piece) =>
        piece.Length == 6 && piece.StartsWith("<0x", StringComparison.Ordinal) && piece[5] == '>' && byte.TryParse(piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value) ? value : null;
}

/// <summary>Reads the <c>decoder</c> of a <c>tokenizer.json</c>.</summary>
internal sealed class DecoderJson(StepReader reader)
{
    private const string Known = "ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip and Sequence are read";

    private bool fused;

    /// <summary>Reads a decoder.</summary>
    /// <param name="step">The step; null where there is none.</param>
    /// <param name="byteLevel">Whether the model works on bytes, whose pieces need no decoder to be read.</param>
    public PieceDecoding Read(JsonElement? step, bool byteLevel)
    {
        if (StepReader.TypeOf(step) == "null") return byteLevel ? new() { ByteAlphabet = true } : new() { Separator = " " };
        return Read(new PieceDecoding(), step!.Value, "decoder");
    }

    private PieceDecoding Read(PieceDecoding decoding, JsonElement step, string path)
    {
        string type = StepReader.TypeOf(step);
        switch (type)
        {
            case "ByteLevel" when decoding is { Replacements.IsEmpty: true, ByteFallback: false, StripsSpace: false } && !fused:
                reader.Read<ByteLevelJson>(step, path);
                return decoding with { ByteAlphabet = true };
            case "Metaspace": return Metaspace(decoding, reader.Read<MetaspaceJson>(step, path));
            case "Replace": return Replace(decoding, reader.Read<ReplaceJson>(step, path), path);
            case "ByteFallback" when !fused:
                reader.Read<PlainStepJson>(step, path);
                return decoding with { ByteFallback = true };
            case "Fuse":
                reader.Read<PlainStepJson>(step, path);
                fused = true;
                return decoding;
            case "Strip": return Strip(decoding, reader.Read<StripJson>(step, path), path);
            case "Sequence": return reader.Read<SequenceJson>(step, path).Decoders.Index().Aggregate(decoding, (before, one) => Read(before, one.Item, $"{path}.decoders[{one.Index}]"));
            default:
                reader.Add($"{path} is {type}; {Known}, ByteLevel alone and ByteFallback before Fuse");
                return decoding;
        }
    }

    private static PieceDecoding Metaspace(PieceDecoding decoding, MetaspaceJson step) => decoding with
    {
        Replacements = decoding.Replacements.Add((step.Replacement, " ")),
        StripsSpace = step.Scheme != PrependScheme.Never,
    };

    private PieceDecoding Replace(PieceDecoding decoding, ReplaceJson step, string path)
    {
        if (step.Pattern is { String: { Length: > 0 } from, Regex: null } && !decoding.ByteFallback && !fused) return decoding with { Replacements = decoding.Replacements.Add((from, step.Content)) };
        reader.Add($"{path} is Replace with a Regex, or after ByteFallback or Fuse; a String is read, before those");
        return decoding;
    }

    private PieceDecoding Strip(PieceDecoding decoding, StripJson step, string path)
    {
        if (fused && step is { Content: " ", Start: 0 or 1, Stop: 0 }) return decoding with { StripsSpace = step.Start == 1 };
        reader.Add($"{path} is Strip of \"{step.Content}\", {step.Start} and {step.Stop} times; one space at the start is read, after Fuse");
        return decoding;
    }

    private sealed record ReplaceJson
    {
        public required string Type { get; init; }
        public required PatternJson Pattern { get; init; }
        public required string Content { get; init; }
    }

    private sealed record StripJson
    {
        public required string Type { get; init; }
        public required string Content { get; init; }
        public required int Start { get; init; }
        public required int Stop { get; init; }
    }

    private sealed record SequenceJson
    {
        public required string Type { get; init; }
        public required ImmutableArray<JsonElement> Decoders { get; init; }
    }
}

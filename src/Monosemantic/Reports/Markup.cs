using System.Globalization;
using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Monosemantic.Reports;

/// <summary>
/// A piece of finished HTML. Its only sources are the literal parts of an interpolated string in this assembly, escaped
/// values, JSON blocks and embedded files, so that text from data has no way in unescaped: there is no conversion from string.
/// </summary>
public readonly struct Markup
{
    private readonly string? _html;

    private Markup(string html) => _html = html;

    /// <summary>Nothing at all.</summary>
    public static Markup Empty => default;

    /// <summary>JSON for the page: short keys, and every character that could end the script block is escaped.</summary>
    internal static JsonSerializerOptions Json { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    /// <summary>The finished text.</summary>
    public override string ToString() => _html ?? "";

    /// <summary>HTML from an interpolated string: its literal parts as they stand, its values escaped.</summary>
    /// <param name="html">The interpolated string.</param>
    internal static Markup Of(ref Builder html) => new(html.Finish());

    /// <summary>A block of data for the page's script, one line of JSON per value, which the browser does not run.</summary>
    /// <typeparam name="T">The record of one value.</typeparam>
    /// <param name="id">The block's name in the page.</param>
    /// <param name="lines">The values.</param>
    internal static Markup Data<T>(string id, IEnumerable<T> lines)
    {
        var block = new StringBuilder();
        block.Append(CultureInfo.InvariantCulture, $"<script type=\"application/json\" id=\"{Escape(id)}\">");
        block.AppendJoin('\n', lines.Select(line => JsonSerializer.Serialize(line, Json)));
        return new(block.Append("</script>\n").ToString());
    }

    /// <summary>
    /// Blocks of data that the page's script unpacks one by one when it needs them: lines of JSON in groups, each group deflated and in base64.
    /// </summary>
    /// <typeparam name="T">The record of one line.</typeparam>
    /// <param name="id">The blocks' name in the page, followed by a dash and their number.</param>
    /// <param name="lines">The values.</param>
    /// <param name="linesPerBlock">Lines in every block but the last.</param>
    internal static Markup Packed<T>(string id, IEnumerable<T> lines, int linesPerBlock)
    {
        string[] blocks = [.. lines.Chunk(linesPerBlock).AsParallel().AsOrdered().Select(Deflated)];
        return new(string.Concat(blocks.Select((block, i) => Block($"{id}-{i}", block))));
    }

    /// <summary>Blocks of bytes, each deflated and in base64.</summary>
    /// <param name="id">The blocks' name in the page, followed by a dash and their number.</param>
    /// <param name="blocks">The blocks.</param>
    internal static Markup Packed(string id, IEnumerable<byte[]> blocks) => new(string.Concat(blocks.AsParallel().AsOrdered().Select(Deflated).Select((block, i) => Block($"{id}-{i}", block))));

    /// <summary>A block with an embedded file's text, deflated and in base64, which the page's script unpacks when it needs it.</summary>
    /// <param name="id">The block's name in the page.</param>
    /// <param name="file">The embedded text.</param>
    internal static Markup PackedText(string id, PageFile file) => new(Block(id, Deflated(Encoding.UTF8.GetBytes(file.Text))));

    private static string Block(string id, string packed) => $"<script type=\"application/octet-stream\" id=\"{Escape(id)}\">{packed}</script>\n";

    private static string Deflated(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var deflate = new DeflateStream(packed, CompressionLevel.SmallestSize, leaveOpen: true)) deflate.Write(bytes);
        return Convert.ToBase64String(packed.GetBuffer(), 0, (int)packed.Length);
    }

    /// <summary>An embedded file's text as it stands, such as the style sheet.</summary>
    /// <param name="file">The embedded text.</param>
    internal static Markup Embedded(PageFile file) => new(file.Text);

    private static string Deflated<T>(T[] lines)
    {
        using var packed = new MemoryStream();
        using (var deflate = new DeflateStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            foreach (T line in lines)
            {
                JsonSerializer.Serialize(deflate, line, Json);
                deflate.WriteByte((byte)'\n');
            }
        }
        return Convert.ToBase64String(packed.GetBuffer(), 0, (int)packed.Length);
    }

    private static string Escape(string? text)
    {
        string visible = VisibleText.Of(text ?? "");
        if (visible.AsSpan().IndexOfAny("&<>\"'") < 0) return visible;
        return visible.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("\"", "&quot;").Replace("'", "&#39;");
    }

    /// <summary>Collects an interpolated string; called by the compiler.</summary>
    [InterpolatedStringHandler]
    internal ref struct Builder
    {
        private readonly StringBuilder _text;

        public Builder(int literalLength, int formattedCount) => _text = new StringBuilder(literalLength + (16 * formattedCount));

        // A checkout with other line ends must not change the bytes.
        public readonly void AppendLiteral(string html) => _text.Append(html.ReplaceLineEndings("\n"));

        public readonly void AppendFormatted(string? text) => _text.Append(Escape(text));

        public readonly void AppendFormatted(long number) => _text.Append(number);

        public readonly void AppendFormatted(Markup html) => _text.Append(html._html);

        public readonly void AppendFormatted(IEnumerable<Markup> pieces)
        {
            foreach (Markup piece in pieces) _text.Append(piece._html);
        }

        public readonly string Finish() => _text.ToString();
    }
}

using System.Text;
using System.Text.Unicode;

namespace Monosemantic.Runtime;

/// <summary>What a file looks like from its first bytes: the things that people download in place of a tensor file.</summary>
internal static class FileSignature
{
    private static readonly (byte[] Start, string Kind)[] Binary =
    [
        ([0x1f, 0x8b], "a gzip archive; unpack it first"),
        ([0x28, 0xb5, 0x2f, 0xfd], "a Zstandard archive; unpack it first"),
        ([(byte)'B', (byte)'Z', (byte)'h'], "a bzip2 archive; unpack it first"),
        ([0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z'], "an xz archive; unpack it first"),
        ([(byte)'7', (byte)'z', 0xbc, 0xaf], "a 7z archive; unpack it first"),
        ([(byte)'G', (byte)'G', (byte)'U', (byte)'F'], "a GGUF model, a format that is not read here"),
        ([0x89, (byte)'H', (byte)'D', (byte)'F'], "an HDF5 file, a format that is not read here"),
        ([(byte)'P', (byte)'A', (byte)'R', (byte)'1'], "a Parquet table"),
        ([(byte)'A', (byte)'R', (byte)'R', (byte)'O', (byte)'W', (byte)'1'], "an Arrow table"),
        ([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'], "a NumPy array (.npy)"),
        ([(byte)'P', (byte)'K', 3, 4], "a zip archive, such as a PyTorch file or a NumPy .npz"),
        ([(byte)'%', (byte)'P', (byte)'D', (byte)'F'], "a PDF document"),
        ([0x89, (byte)'P', (byte)'N', (byte)'G'], "a PNG picture"),
    ];

    private static readonly (string Start, string Kind)[] Text =
    [
        ("version https://git-lfs", "a git-lfs pointer, not the file itself: run `git lfs pull` where it was cloned"),
        ("<!doctype html", "an HTML page, such as a log-in or error page that was saved in place of the file"),
        ("<html", "an HTML page, such as a log-in or error page that was saved in place of the file"),
        ("<?xml", "an XML page, such as an error message that was saved in place of the file"),
        ("entry not found", "a server's message that the file does not exist"),
        ("repository not found", "a server's message that the file does not exist"),
        ("access to ", "a server's message that the file may not be downloaded without logging in"),
        ("invalid ", "a server's error message"),
        ("{", "JSON text"),
        ("[", "JSON text"),
    ];

    /// <summary>What the file looks like, or null where nothing is recognised.</summary>
    /// <param name="file">The file.</param>
    internal static string? Describe(MappedFile file)
    {
        if (file.Length == 0) return "an empty file";
        ReadOnlySpan<byte> head = file.Head(512);
        foreach ((byte[] start, string kind) in Binary)
        {
            if (head.StartsWith(start)) return kind;
        }
        if (head.Length >= 262 && head[257..262].SequenceEqual("ustar"u8)) return "a tar archive; unpack it first (PyTorch files from before 2017 are tars too, and are not read)";
        return DescribeText(head);
    }

    /// <summary><see cref="Describe"/> as the end of a message, or nothing.</summary>
    /// <param name="file">The file.</param>
    internal static string Remark(MappedFile file) => Describe(file) is { } kind ? $"; it looks like {kind}" : "";

    private static string? DescribeText(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith("\ufeff"u8)) head = head[3..];
        foreach (byte value in head)
        {
            if (value < 0x20 && value is not ((byte)'\n' or (byte)'\r' or (byte)'\t')) return null;
        }
        string text = Encoding.Latin1.GetString(head).TrimStart();
        foreach ((string start, string kind) in Text)
        {
            if (text.StartsWith(start, StringComparison.OrdinalIgnoreCase)) return kind;
        }
        return IsUtf8(head) ? "plain text" : null;
    }

    // The last letter may be cut off.
    private static bool IsUtf8(ReadOnlySpan<byte> head)
    {
        for (int cut = 0; cut <= Math.Min(3, head.Length); cut++)
        {
            if (Utf8.IsValid(head[..^cut])) return true;
        }
        return false;
    }
}

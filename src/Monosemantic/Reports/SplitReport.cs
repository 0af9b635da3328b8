using System.Globalization;
using System.Text;
using Monosemantic.Runtime;

namespace Monosemantic.Reports;

/// <summary>
/// A large report as a page and a folder: each packed block of units' pages is a file of its own, which the page's script asks
/// for when it is needed. A file opened from disk may not read files, but it may load scripts: each block is a call with its text.
/// </summary>
internal static class SplitReport
{
    private const string Start = "<script type=\"application/octet-stream\" id=\"", End = "</script>\n";

    /// <summary>Writes the folder, then the page.</summary>
    /// <param name="path">The page's file.</param>
    /// <param name="folder">Name of the folder beside it.</param>
    /// <param name="html">The report with its blocks in it.</param>
    /// <returns>Path of the folder.</returns>
    internal static string Write(string path, string folder, string html)
    {
        string home = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, folder);
        AtomicFile.MakeFolder(home);
        foreach (string old in Directory.EnumerateFiles(home, "*-*.js")) File.Delete(old);
        var page = new StringBuilder();
        int copied = 0;
        for (int at = html.IndexOf(Start, StringComparison.Ordinal); at >= 0; at = html.IndexOf(Start, copied, StringComparison.Ordinal))
        {
            int name = at + Start.Length, nameEnd = html.IndexOf('"', name), text = html.IndexOf('>', nameEnd) + 1, end = html.IndexOf(End, text, StringComparison.Ordinal);
            page.Append(html, copied, at - copied);
            // Letters, digits and base64 only: nothing here can be anything but text.
            AtomicFile.WriteText(Path.Combine(home, $"{html[name..nameEnd]}.js"), string.Create(CultureInfo.InvariantCulture, $"monosemanticPages(\"{html[name..nameEnd]}\", \"{html[text..end]}\");\n"));
            copied = end + End.Length;
        }
        AtomicFile.WriteText(path, page.Append(html, copied, html.Length - copied).ToString());
        return home;
    }
}

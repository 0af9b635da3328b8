using System.Security.Cryptography;
using System.Text;

namespace Monosemantic.Runtime;

/// <summary>SHA-256 in lower-case hexadecimal, the one hash that artefacts record of what they came from.</summary>
public static class Hashing
{
    /// <summary>Hash of a file's bytes, read as a stream.</summary>
    /// <param name="path">The file.</param>
    public static string OfFile(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>Hash of a text's UTF-8 bytes.</summary>
    /// <param name="text">The text.</param>
    public static string OfText(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}

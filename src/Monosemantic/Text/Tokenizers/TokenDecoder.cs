using System.Collections.Frozen;

namespace Monosemantic.Text.Tokenizers;

/// <summary>What each token stands for in bytes, and how those of a sequence join.</summary>
/// <param name="bytes">The bytes of each token by id; null where no token has that id.</param>
internal sealed class TokenDecoder(byte[]?[] bytes)
{
    /// <summary>Whether a sequence that begins with a space loses it, because encoding put it there.</summary>
    public bool StripsSpace { get; init; }

    /// <summary>Tokens after which encoding puts a space again; those at the beginning are passed over.</summary>
    public FrozenSet<int> Restarts { get; init; } = [];

    /// <summary>What stands between two tokens: nothing, but where a file has no decoder.</summary>
    public string Separator { get; init; } = "";

    /// <summary>Number of ids.</summary>
    public int Count => bytes.Length;

    /// <summary>The bytes of one token; null where the id has none.</summary>
    public byte[]? Find(int token) => (uint)token < (uint)bytes.Length ? bytes[token] : null;

    /// <summary>The bytes of a sequence, each of whose tokens must exist.</summary>
    public List<byte> Join(ReadOnlySpan<int> tokens)
    {
        var joined = new List<byte>(tokens.Length * 4);
        byte[] separator = System.Text.Encoding.UTF8.GetBytes(Separator);
        bool strip = StripsSpace, first = true;
        foreach (int token in tokens)
        {
            if (!first) joined.AddRange(separator);
            first = false;
            ReadOnlySpan<byte> own = bytes[token];
            bool restarts = Restarts.Contains(token);
            if (strip && !restarts && own is [(byte)' ', ..]) own = own[1..];
            joined.AddRange(own);
            strip = restarts && StripsSpace;
        }
        return joined;
    }
}

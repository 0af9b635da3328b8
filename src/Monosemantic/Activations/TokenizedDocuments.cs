using System.Collections;
using System.Runtime.InteropServices;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>
/// The documents of a corpus as token ids, to be visited in any order: 8 bytes a document in memory, 4 bytes a token in memory
/// for the first tokens and in a temporary file (gone when this is) for the rest. Numbered from 0. Not written to once it is read.
/// </summary>
public sealed class TokenizedDocuments : IReadOnlyList<TokenizedDocument>, IDisposable
{
    private const int ChunkTokens = 1 << 20;
    private readonly List<int[]> chunks = [];
    private readonly List<long> starts = [0];
    private readonly int chunksInMemory;
    private int[] open = new int[ChunkTokens];
    private FileStream? rest;
    private long tokensInFile;

    /// <summary>Starts an empty collection.</summary>
    /// <param name="tokensInMemory">About how many tokens stay in memory.</param>
    public TokenizedDocuments(long tokensInMemory = 4L << 20) => chunksInMemory = (int)Math.Max(0, tokensInMemory / ChunkTokens);

    /// <summary>Number of documents.</summary>
    public int Count => starts.Count - 1;

    /// <summary>Number of tokens.</summary>
    public long Tokens => starts[^1];

    /// <summary>The highest token id; -1 where there is no token.</summary>
    public int HighestToken { get; private set; } = -1;

    /// <summary>One document.</summary>
    /// <param name="index">Its number.</param>
    public TokenizedDocument this[int index]
    {
        get
        {
            var tokens = new int[starts[index + 1] - starts[index]];
            Copy(starts[index], tokens);
            return new(index, tokens);
        }
    }

    /// <summary>The collection of some documents, in their order.</summary>
    /// <param name="documents">Documents numbered from 0.</param>
    public static TokenizedDocuments Of(IEnumerable<TokenizedDocument> documents)
    {
        ArgumentNullException.ThrowIfNull(documents);
        var result = new TokenizedDocuments();
        foreach (TokenizedDocument document in documents) result.Add(document.Tokens);
        return result;
    }

    /// <summary>Adds the next document.</summary>
    /// <param name="tokens">Its token ids.</param>
    public void Add(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens) HighestToken = Math.Max(HighestToken, token);
        long at = Tokens;
        starts.Add(at + tokens.Length);
        while (!tokens.IsEmpty)
        {
            int offset = (int)(at % ChunkTokens), count = Math.Min(tokens.Length, ChunkTokens - offset);
            tokens[..count].CopyTo(open.AsSpan(offset));
            at += count;
            tokens = tokens[count..];
            if (at % ChunkTokens == 0) CloseChunk();
        }
    }

    /// <summary>Number of tokens of one document.</summary>
    /// <param name="index">Its number.</param>
    public int Length(int index) => (int)(starts[index + 1] - starts[index]);

    /// <inheritdoc/>
    public IEnumerator<TokenizedDocument> GetEnumerator() => Enumerable.Range(0, Count).Select(index => this[index]).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Deletes the temporary file.</summary>
    public void Dispose() => rest?.Dispose();

    private void CloseChunk()
    {
        if (chunks.Count < chunksInMemory)
        {
            chunks.Add(open);
            open = new int[ChunkTokens];
            return;
        }
        rest ??= new FileStream(Path.GetTempFileName(), FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        rest.Write(MemoryMarshal.AsBytes<int>(open));
        tokensInFile += ChunkTokens;
    }

    private void Copy(long at, Span<int> tokens)
    {
        while (!tokens.IsEmpty)
        {
            int chunk = (int)(at / ChunkTokens), offset = (int)(at % ChunkTokens), count = Math.Min(tokens.Length, ChunkTokens - offset);
            long beyond = at - (long)chunks.Count * ChunkTokens;
            if (chunk < chunks.Count) chunks[chunk].AsSpan(offset, count).CopyTo(tokens);
            else if (beyond >= tokensInFile) open.AsSpan(offset, count).CopyTo(tokens);
            else ReadFile(beyond, tokens[..count]);
            at += count;
            tokens = tokens[count..];
        }
    }

    private void ReadFile(long token, Span<int> tokens)
    {
        Span<byte> bytes = MemoryMarshal.AsBytes(tokens);
        for (long at = token * sizeof(int); !bytes.IsEmpty;)
        {
            int read = RandomAccess.Read(rest!.SafeFileHandle, bytes, at);
            if (read == 0) throw new EndOfStreamException("the temporary file of tokens was cut short");
            bytes = bytes[read..];
            at += read;
        }
    }
}

using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Monosemantic.Text;

/// <summary>
/// Hashes a corpus while somebody else reads it, so that its identity costs no second pass. For each document it hashes the
/// UTF-8 length of the name (int32, little-endian), the name, the length of the text and the text; so no two corpora that
/// differ in a boundary share a hash.
/// </summary>
public sealed class CorpusHasher : IDisposable
{
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private int documents;
    private long characters;

    /// <summary>Passes documents on and hashes each.</summary>
    /// <param name="source">The documents in corpus order.</param>
    public IEnumerable<Document> Watch(IEnumerable<Document> source)
    {
        ArgumentNullException.ThrowIfNull(source);
        foreach (Document document in source)
        {
            Add(document);
            yield return document;
        }
    }

    /// <summary>Hashes one more document.</summary>
    /// <param name="document">The next document in corpus order.</param>
    public void Add(Document document)
    {
        ArgumentNullException.ThrowIfNull(document);
        AddText(document.Name);
        AddText(document.Text);
        documents++;
        characters += document.Text.Length;
    }

    /// <summary>The identity of everything hashed so far; meaningful once the last document was read.</summary>
    /// <param name="options">The corpus that was read: it gives the source and version.</param>
    public CorpusIdentity Identify(CorpusOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        string sha256 = Convert.ToHexStringLower(hash.GetCurrentHash());
        return new CorpusIdentity(Corpus.SourceOf(options), Corpus.VersionOf(options), sha256, documents, characters);
    }

    /// <inheritdoc/>
    public void Dispose() => hash.Dispose();

    private void AddText(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(length + sizeof(int));
        BinaryPrimitives.WriteInt32LittleEndian(buffer, length);
        Encoding.UTF8.GetBytes(text, buffer.AsSpan(sizeof(int)));
        hash.AppendData(buffer, 0, length + sizeof(int));
        ArrayPool<byte>.Shared.Return(buffer);
    }
}

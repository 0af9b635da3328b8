using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>Turns a stream of documents into a stream of token ids.</summary>
public static class CorpusTokenizer
{
    // Enough work to share between cores, little enough to hold.
    private const int MaxDocuments = 1024;
    private const long MaxCharacters = 4 << 20;

    /// <summary>
    /// The documents as token ids, in their order, numbered from 0. Documents are encoded on all cores, some megabytes of text
    /// at a time; the result does not depend on the number of cores.
    /// </summary>
    /// <param name="documents">The documents, in corpus order.</param>
    /// <param name="tokenizer">Makes the ids; the text of special tokens stays text.</param>
    /// <param name="cancellation">Stops between two stretches of text.</param>
    /// <exception cref="UserErrorException">A character has no token, and the tokenizer has none for unknown ones.</exception>
    public static IEnumerable<TokenizedDocument> TokenizeAll(IEnumerable<Document> documents, Tokenizer tokenizer, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return Stream(documents, tokenizer, cancellation);
    }

    private static IEnumerable<TokenizedDocument> Stream(IEnumerable<Document> documents, Tokenizer tokenizer, CancellationToken cancellation)
    {
        int first = 0;
        foreach (List<Document> stretch in Stretches(documents))
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (TokenizedDocument document in Encode(stretch, first, tokenizer)) yield return document;
            first += stretch.Count;
        }
    }

    private static TokenizedDocument[] Encode(List<Document> stretch, int first, Tokenizer tokenizer)
    {
        var encoded = new TokenizedDocument[stretch.Count];
        try
        {
            Parallel.For(0, stretch.Count, i => encoded[i] = new TokenizedDocument(first + i, tokenizer.Encode(stretch[i].Text)));
        }
        catch (AggregateException failures) when (failures.InnerExceptions.OfType<UserErrorException>().FirstOrDefault() is { } error)
        {
            throw new UserErrorException(error.Message, error.Hint, failures);
        }
        return encoded;
    }

    private static IEnumerable<List<Document>> Stretches(IEnumerable<Document> documents)
    {
        var stretch = new List<Document>();
        long characters = 0;
        foreach (Document document in documents)
        {
            stretch.Add(document);
            characters += document.Text.Length;
            if (stretch.Count < MaxDocuments && characters < MaxCharacters) continue;
            yield return stretch;
            stretch = [];
            characters = 0;
        }
        if (stretch.Count > 0) yield return stretch;
    }
}

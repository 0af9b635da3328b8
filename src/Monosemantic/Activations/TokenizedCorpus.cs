using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>
/// A corpus as token ids, in memory: 4 bytes a token and some 40 a document, so that documents can be visited in any order.
/// </summary>
/// <param name="Documents">The documents in corpus order.</param>
/// <param name="Identity">Which text they are.</param>
/// <param name="TokenizerSha256">SHA-256 of the tokenizer's file.</param>
/// <param name="BosToken">The token to insert at a beginning and as separator; null where the tokenizer has none.</param>
public sealed record TokenizedCorpus(ImmutableArray<TokenizedDocument> Documents, CorpusIdentity Identity, string TokenizerSha256, int? BosToken)
{
    private const long MaxTokens = 500_000_000;

    /// <summary>Number of tokens.</summary>
    public long Tokens => Documents.Sum(document => (long)document.Tokens.Length);

    /// <summary>Reads and tokenizes a corpus.</summary>
    /// <param name="options">Which texts.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <param name="progress">Told while reading.</param>
    /// <param name="cancellation">Stops the reading.</param>
    /// <exception cref="UserErrorException">A text cannot be read, there is none, or there is more than fits in memory.</exception>
    public static TokenizedCorpus Load(CorpusOptions options, Tokenizer tokenizer, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        using var hasher = new CorpusHasher();
        var documents = ImmutableArray.CreateBuilder<TokenizedDocument>();
        long tokens = 0;
        foreach (TokenizedDocument document in CorpusTokenizer.TokenizeAll(hasher.Watch(Corpus.Read(options, progress, cancellation)), tokenizer, cancellation))
        {
            documents.Add(document);
            tokens += document.Tokens.Length;
            if (tokens > MaxTokens) throw new UserErrorException($"the corpus has more than {MaxTokens:N0} tokens, which is the most that is held in memory", "extract from parts of it, one after the other");
        }
        return new TokenizedCorpus(documents.ToImmutable(), hasher.Identify(options), tokenizer.Sha256, tokenizer.Bos);
    }

    /// <summary>The contexts that an extraction reads, in its order.</summary>
    /// <exception cref="UserErrorException">The settings insert a token that the tokenizer does not have.</exception>
    internal IEnumerable<TokenContext> Contexts(ExtractionConfig config)
    {
        if (config.Inserts && BosToken is null) throw new UserErrorException("the tokenizer names no beginning-of-sequence token to insert between documents", "name it in a tokenizer_config.json beside the tokenizer (bos_token), or set bos to never and pack to false");
        TokenizedDocument[] order = [.. Documents];
        if (config.ShuffleDocuments) new SeededRandom(config.Seed).Shuffle<TokenizedDocument>(order);
        return ContextPacker.Pack(order, new ContextPolicy { Context = config.Context, Bos = config.Bos, Pack = config.Pack }, BosToken ?? 0);
    }
}

using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>A corpus as token ids, with what has to be known of the tokenizer that made them.</summary>
/// <param name="Documents">The documents in corpus order.</param>
/// <param name="Identity">Which text they are.</param>
/// <param name="TokenizerSha256">SHA-256 of the tokenizer's file.</param>
/// <param name="BosToken">The token to insert at a beginning and as separator; null where the tokenizer has none.</param>
public sealed record TokenizedCorpus(TokenizedDocuments Documents, CorpusIdentity Identity, string TokenizerSha256, int? BosToken)
{
    /// <summary>Ids of the tokenizer's special tokens.</summary>
    public ImmutableArray<int> SpecialTokens { get; init; } = [];

    /// <summary>The text of each token as it is shown, by its id, so that a store can show its rows without the model; empty for none.</summary>
    public ImmutableArray<string> TokenTexts { get; init; } = [];

    /// <summary>Number of tokens.</summary>
    public long Tokens => Documents.Tokens;

    /// <summary>Reads and tokenizes a corpus.</summary>
    /// <param name="options">Which texts.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <param name="progress">Told while reading.</param>
    /// <param name="cancellation">Stops the reading.</param>
    /// <exception cref="UserErrorException">A text cannot be read, or there is none.</exception>
    public static TokenizedCorpus Load(CorpusOptions options, Tokenizer tokenizer, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        using var hasher = new CorpusHasher();
        var documents = new TokenizedDocuments();
        foreach (TokenizedDocument document in CorpusTokenizer.TokenizeAll(hasher.Watch(Corpus.Read(options, progress, cancellation)), tokenizer, cancellation))
        {
            documents.Add(document.Tokens);
        }
        return new TokenizedCorpus(documents, hasher.Identify(options), tokenizer.Sha256, tokenizer.Bos)
        {
            SpecialTokens = tokenizer.SpecialTokens,
            TokenTexts = TokenTextsFile.TextsOf(tokenizer),
        };
    }
}

using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>
/// Learns a byte-level byte-pair vocabulary in GPT-2's layout: ids 0 to 255 are the bytes in <see cref="ByteAlphabet.Order"/>,
/// then one token for each merge in the order learnt, and <c>&lt;|endoftext|&gt;</c> last. Source: Sennrich, Haddow and Birch,
/// "Neural Machine Translation of Rare Words with Subword Units" (2016), on the bytes of GPT-2's pre-tokens.
/// </summary>
public static class BytePairTrainer
{
    /// <summary>The smallest vocabulary: the bytes and the end of text.</summary>
    public const int MinVocabularySize = 257;

    private const int ReportEvery = 256;

    /// <summary>
    /// Learns a vocabulary. Each step merges the pair of neighbouring tokens that is most frequent inside pre-tokens; of equally
    /// frequent pairs, the one whose left id is lowest, then the one whose right id is. The same texts give the same vocabulary,
    /// whatever their order.
    /// </summary>
    /// <param name="texts">The texts to learn from; read once, counted and let go.</param>
    /// <param name="vocabularySize">Number of tokens to end with, exactly.</param>
    /// <param name="progress">Told of texts counted, then of merges learnt.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="UserErrorException">The size is below <see cref="MinVocabularySize"/>, or the texts have too few pairs for it.</exception>
    public static TokenizerFile Train(
        IEnumerable<string> texts, int vocabularySize, IProgress<ProgressReport>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        if (vocabularySize < MinVocabularySize)
        {
            throw new UserErrorException(
                $"vocabulary_size is {vocabularySize}; it must be at least {MinVocabularySize} (256 bytes and {TokenizerFile.EndOfText})",
                "1,000 to 4,000 suits a small model");
        }
        var pairs = new BytePairCounts(CountPreTokens(texts, progress, cancellation));
        return Learn(pairs, vocabularySize, progress, cancellation);
    }

    private static Dictionary<string, long> CountPreTokens(IEnumerable<string> texts, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        long done = 0;
        foreach (string text in texts)
        {
            cancellation.ThrowIfCancellationRequested();
            for (ReadOnlySpan<char> rest = text; !rest.IsEmpty;)
            {
                int length = Gpt2PreTokenizer.NextLength(rest);
                CollectionsMarshal.GetValueRefOrAddDefault(lookup, rest[..length], out _)++;
                rest = rest[length..];
            }
            if (++done % ReportEvery == 0) progress?.Report(new ProgressReport("count words", done, 0, "texts"));
        }
        return counts;
    }

    private static TokenizerFile Learn(BytePairCounts pairs, int vocabularySize, IProgress<ProgressReport>? progress, CancellationToken cancellation)
    {
        List<byte[]> tokens = [.. ByteAlphabet.Order.Select(value => new[] { value })];
        var merges = ImmutableArray.CreateBuilder<MergeRule>(vocabularySize - MinVocabularySize);
        while (tokens.Count < vocabularySize - 1)
        {
            cancellation.ThrowIfCancellationRequested();
            (int left, int right) = pairs.MostFrequent() ?? throw TooFew(vocabularySize, tokens.Count + 1);
            merges.Add(new MergeRule(ByteAlphabet.Write(tokens[left]), ByteAlphabet.Write(tokens[right])));
            pairs.Merge(left, right, tokens.Count);
            tokens.Add([.. tokens[left], .. tokens[right]]);
            if (merges.Count % ReportEvery == 0) progress?.Report(new ProgressReport("learn merges", merges.Count, merges.Capacity, "merges"));
        }
        return ToFile(tokens, merges.MoveToImmutable());
    }

    // No two merges make the same token: inside a stretch that no merge has crossed, the tokens depend on the stretch alone,
    // so once it has become one token it becomes that one everywhere.
    private static TokenizerFile ToFile(List<byte[]> tokens, ImmutableArray<MergeRule> merges) => new()
    {
        Vocabulary =
        [
            .. tokens.Select((bytes, id) => new VocabularyToken(ByteAlphabet.Write(bytes), id)),
            new VocabularyToken(TokenizerFile.EndOfText, tokens.Count),
        ],
        Merges = merges,
        AddedTokens = [new AddedToken(tokens.Count, TokenizerFile.EndOfText, Special: true, Normalized: false)],
    };

    private static UserErrorException TooFew(int wanted, int reachable) => new(
        $"vocabulary_size is {wanted}, but the texts have pairs to merge for {reachable} tokens only",
        "give more text, or ask for a smaller vocabulary");
}

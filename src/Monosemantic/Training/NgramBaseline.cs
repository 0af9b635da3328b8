namespace Monosemantic.Training;

/// <summary>
/// What counting alone achieves: cross-entropies of a unigram and a bigram model, to set beside a trained one. Unigram:
/// (count + 1) / (tokens + vocabulary). Bigram: absolute discounting by 0.75, the freed mass given to the unigram
/// (Ney, Essen and Kneser 1994).
/// </summary>
public sealed class NgramBaseline
{
    private const double Discount = 0.75;
    private readonly long[] unigrams;
    private readonly long[] followed;
    private readonly int[] distinctFollowers;
    private readonly Dictionary<(int Before, int Token), int> bigrams = [];
    private long total;

    /// <summary>Starts counting.</summary>
    /// <param name="vocabularySize">Number of token ids.</param>
    public NgramBaseline(int vocabularySize)
    {
        unigrams = new long[vocabularySize];
        followed = new long[vocabularySize];
        distinctFollowers = new int[vocabularySize];
    }

    /// <summary>Counts a context; its first token is only a condition, as for the model.</summary>
    /// <param name="tokens">Token ids [t].</param>
    public void Add(ReadOnlySpan<int> tokens)
    {
        for (int i = 1; i < tokens.Length; i++)
        {
            unigrams[tokens[i]]++;
            total++;
            followed[tokens[i - 1]]++;
            ref int count = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(bigrams, (tokens[i - 1], tokens[i]), out bool known);
            if (!known) distinctFollowers[tokens[i - 1]]++;
            count++;
        }
    }

    /// <summary>Probability of a token anywhere.</summary>
    /// <param name="token">The token.</param>
    public double Unigram(int token) => (unigrams[token] + 1.0) / (total + unigrams.Length);

    /// <summary>Probability of a token after another.</summary>
    /// <param name="before">The token before.</param>
    /// <param name="token">The token.</param>
    public double Bigram(int before, int token)
    {
        if (followed[before] == 0) return Unigram(token);
        double own = bigrams.TryGetValue((before, token), out int count) ? count - Discount : 0;
        return (own + Discount * distinctFollowers[before] * Unigram(token)) / followed[before];
    }
}

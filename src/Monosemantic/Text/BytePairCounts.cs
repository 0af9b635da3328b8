using System.Runtime.InteropServices;
using System.Text;

namespace Monosemantic.Text;

/// <summary>
/// How often each pair of tokens stands side by side in a set of words, kept up to date while pairs are merged. Only the words
/// that hold a pair are touched by its merge, and the most frequent pair comes off a queue.
/// </summary>
internal sealed class BytePairCounts
{
    private readonly List<Word> words = [];
    private readonly Dictionary<(int Left, int Right), Pair> pairs = [];

    // A count in the queue may be too high, never too low: pairs only lose occurrences once they have been queued, because
    // gains come with a new token, whose pairs are queued after its merge. So a stale entry is put back with its true count.
    private readonly PriorityQueue<(int Left, int Right), Rank> queue = new();

    /// <summary>Counts the pairs of bytes, as the ids 0 to 255 of <see cref="ByteAlphabet.Order"/>.</summary>
    /// <param name="counts">How often each word occurs.</param>
    public BytePairCounts(IReadOnlyDictionary<string, long> counts)
    {
        var idOf = new int[256];
        for (int id = 0; id < 256; id++) idOf[ByteAlphabet.Order[id]] = id;
        foreach ((string text, long count) in counts)
        {
            words.Add(new Word(Array.ConvertAll(Encoding.UTF8.GetBytes(text), value => idOf[value]), count));
            Word word = words[^1];
            for (int i = 0; i + 1 < word.Length; i++) Gain((word.Tokens[i], word.Tokens[i + 1]), words.Count - 1);
        }
        foreach (((int, int) pair, Pair state) in pairs) queue.Enqueue(pair, new Rank(state.Count, pair));
    }

    /// <summary>The most frequent pair, of equals the one with the lowest ids; null where no pair is left.</summary>
    public (int Left, int Right)? MostFrequent()
    {
        while (queue.TryDequeue(out (int, int) pair, out Rank rank))
        {
            if (!pairs.TryGetValue(pair, out Pair? state) || state.Count == 0) continue;
            if (state.Count == rank.Count) return pair;
            queue.Enqueue(pair, new Rank(state.Count, pair));
        }
        return null;
    }

    /// <summary>Replaces a pair by a new token wherever it stands, from the left.</summary>
    public void Merge(int left, int right, int merged)
    {
        if (!pairs.Remove((left, right), out Pair? state)) return;
        var gained = new HashSet<(int Left, int Right)>();
        foreach (int index in state.Words) MergeInWord(index, left, right, merged, gained);
        foreach ((int, int) pair in gained) queue.Enqueue(pair, new Rank(pairs[pair].Count, pair));
    }

    private void MergeInWord(int index, int left, int right, int merged, HashSet<(int Left, int Right)> gained)
    {
        Word word = words[index];
        int kept = 0;
        for (int i = 0; i < word.Length; i++)
        {
            if (word.Tokens[i] != left || i + 1 == word.Length || word.Tokens[i + 1] != right)
            {
                word.Tokens[kept++] = word.Tokens[i];
                continue;
            }
            if (kept > 0) Replace((word.Tokens[kept - 1], left), (word.Tokens[kept - 1], merged), index, gained);
            if (i + 2 < word.Length) Replace((right, word.Tokens[i + 2]), (merged, word.Tokens[i + 2]), index, gained);
            word.Tokens[kept++] = merged;
            i++;
        }
        word.Length = kept;
    }

    private void Replace((int Left, int Right) lost, (int Left, int Right) won, int word, HashSet<(int Left, int Right)> gained)
    {
        // The pair being merged is gone already, and may be met again where three equal tokens make it overlap itself.
        if (pairs.TryGetValue(lost, out Pair? state)) state.Count -= words[word].Count;
        Gain(won, word);
        gained.Add(won);
    }

    private void Gain((int Left, int Right) pair, int word)
    {
        ref Pair? state = ref CollectionsMarshal.GetValueRefOrAddDefault(pairs, pair, out _);
        state ??= new Pair();
        state.Count += words[word].Count;
        if (state.Words.Count == 0 || state.Words[^1] != word) state.Words.Add(word);
    }

    private sealed class Word(int[] tokens, long count)
    {
        public int[] Tokens { get; } = tokens;
        public int Length { get; set; } = tokens.Length;
        public long Count { get; } = count;
    }

    private sealed class Pair
    {
        public long Count { get; set; }
        public List<int> Words { get; } = [];
    }

    private readonly record struct Rank(long Count, (int Left, int Right) Pair) : IComparable<Rank>
    {
        public int CompareTo(Rank other) => Count != other.Count ? other.Count.CompareTo(Count) : Pair.CompareTo(other.Pair);
    }
}

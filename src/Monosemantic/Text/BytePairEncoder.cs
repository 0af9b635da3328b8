using System.Collections.Concurrent;
using System.Text;

namespace Monosemantic.Text;

/// <summary>
/// Merges the bytes of one pre-token into tokens: always the adjacent pair whose rule comes first, the leftmost of equals,
/// until no rule applies. Frequent pre-tokens are remembered. Safe to use from several threads.
/// Source: Hugging Face tokenizers, models/bpe/word.rs.
/// </summary>
internal sealed class BytePairEncoder(int[] byteTokens, Dictionary<(int Left, int Right), BytePairRule> rules)
{
    // Words repeat, so most of a text is answered from here; the bounds keep hostile text from filling the memory.
    private const int MaxRemembered = 1 << 16;
    private const int MaxRememberedLength = 64;

    private readonly ConcurrentDictionary<string, int[]> remembered = new(StringComparer.Ordinal);
    private int rememberedCount;

    /// <summary>The tokens of one pre-token. The array belongs to this encoder.</summary>
    public ReadOnlySpan<int> Encode(ReadOnlySpan<char> preToken)
    {
        if (preToken.Length > MaxRememberedLength) return Merge(preToken);
        if (remembered.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(preToken, out int[]? tokens)) return tokens;
        tokens = Merge(preToken);
        if (Volatile.Read(ref rememberedCount) < MaxRemembered && remembered.TryAdd(preToken.ToString(), tokens)) Interlocked.Increment(ref rememberedCount);
        return tokens;
    }

    private int[] Merge(ReadOnlySpan<char> preToken)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(preToken)];
        Encoding.UTF8.GetBytes(preToken, bytes);
        var word = new Word(Array.ConvertAll(bytes, value => byteTokens[value]), rules);
        return word.Merge();
    }

    /// <summary>The symbols of one pre-token as a doubly linked list in arrays; a symbol that was merged into its left neighbour is -1.</summary>
    private sealed class Word
    {
        private readonly int[] symbols;
        private readonly int[] next;
        private readonly int[] previous;
        private readonly Dictionary<(int Left, int Right), BytePairRule> rules;
        private readonly PriorityQueue<int, long> candidates = new();

        public Word(int[] symbols, Dictionary<(int Left, int Right), BytePairRule> rules)
        {
            this.symbols = symbols;
            this.rules = rules;
            next = new int[symbols.Length];
            previous = new int[symbols.Length];
            for (int i = 0; i < symbols.Length; i++) (next[i], previous[i]) = (i + 1, i - 1);
            for (int i = 0; i < symbols.Length - 1; i++) Propose(i);
        }

        public int[] Merge()
        {
            while (candidates.TryDequeue(out int at, out long priority))
            {
                // What was proposed may be gone by now: the pair that stands here must still be the one of that rank.
                if (RuleAt(at) is { } rule && rule.Rank == (int)(priority >> 32)) Join(at, rule.Merged);
            }
            return Array.FindAll(symbols, symbol => symbol >= 0);
        }

        private void Join(int at, int merged)
        {
            int right = next[at];
            symbols[at] = merged;
            symbols[right] = -1;
            next[at] = next[right];
            if (next[at] < symbols.Length) previous[next[at]] = at;
            Propose(at);
            if (previous[at] >= 0) Propose(previous[at]);
        }

        private void Propose(int at)
        {
            if (RuleAt(at) is { } rule) candidates.Enqueue(at, ((long)rule.Rank << 32) | (uint)at);
        }

        private BytePairRule? RuleAt(int at)
        {
            if (symbols[at] < 0 || next[at] >= symbols.Length) return null;
            return rules.TryGetValue((symbols[at], symbols[next[at]]), out BytePairRule rule) ? rule : null;
        }
    }
}

/// <summary>What a pair of tokens merges into, and how early.</summary>
/// <param name="Rank">Place of the rule in the file's list; the lowest is applied first.</param>
/// <param name="Merged">The token that replaces the pair.</param>
internal readonly record struct BytePairRule(int Rank, int Merged);

namespace Monosemantic.Text.Tokenizers;

/// <summary>
/// Merges the symbols of one pre-token: always the adjacent pair whose rule comes first, the leftmost of equals, until no rule
/// applies. Source: Hugging Face tokenizers, models/bpe/word.rs.
/// </summary>
internal static class PairMerging
{
    // Up to here it is quicker to look at every pair again than to keep a queue.
    internal const int MaxScanned = 96;

    /// <summary>Merges in place.</summary>
    /// <param name="symbols">The symbols; the tokens afterwards.</param>
    /// <param name="lengths">The bytes that each stands for.</param>
    /// <param name="rules">The rules.</param>
    /// <returns>How many tokens there are.</returns>
    public static int Merge(Span<int> symbols, Span<int> lengths, MergeTable rules)
    {
        if (rules.Count == 0) return symbols.Length;
        return symbols.Length <= MaxScanned ? Scan(symbols, lengths, rules) : Queue(symbols, lengths, rules);
    }

    internal static int Scan(Span<int> symbols, Span<int> lengths, MergeTable rules)
    {
        int count = symbols.Length;
        Span<BytePairRule> next = stackalloc BytePairRule[MaxScanned];
        for (int i = 0; i < count - 1; i++) next[i] = rules.Find(symbols[i], symbols[i + 1]);
        while (First(next[..Math.Max(0, count - 1)]) is >= 0 and int at)
        {
            symbols[at] = next[at].Merged;
            lengths[at] += lengths[at + 1];
            symbols[(at + 2)..count].CopyTo(symbols[(at + 1)..]);
            lengths[(at + 2)..count].CopyTo(lengths[(at + 1)..]);
            next[(at + 1)..(count - 1)].CopyTo(next[at..]);
            count--;
            if (at > 0) next[at - 1] = rules.Find(symbols[at - 1], symbols[at]);
            if (at < count - 1) next[at] = rules.Find(symbols[at], symbols[at + 1]);
        }
        return count;
    }

    internal static int Queue(Span<int> symbols, Span<int> lengths, MergeTable rules)
    {
        var word = new LinkedWord(symbols, lengths, rules);
        word.Merge();
        return word.CopyTo(symbols, lengths);
    }

    private static int First(ReadOnlySpan<BytePairRule> rules)
    {
        int at = -1, lowest = int.MaxValue;
        for (int i = 0; i < rules.Length; i++)
        {
            if (rules[i].Rank < lowest) (at, lowest) = (i, rules[i].Rank);
        }
        return at;
    }

    /// <summary>The symbols as a doubly linked list in arrays; a symbol that was merged into its left neighbour is -1.</summary>
    private sealed class LinkedWord
    {
        private readonly int[] symbols;
        private readonly int[] lengths;
        private readonly int[] next;
        private readonly int[] previous;
        private readonly MergeTable rules;
        private readonly PriorityQueue<int, long> candidates = new();

        public LinkedWord(ReadOnlySpan<int> symbols, ReadOnlySpan<int> lengths, MergeTable rules)
        {
            this.symbols = symbols.ToArray();
            this.lengths = lengths.ToArray();
            this.rules = rules;
            next = new int[symbols.Length];
            previous = new int[symbols.Length];
            for (int i = 0; i < symbols.Length; i++) (next[i], previous[i]) = (i + 1, i - 1);
            for (int i = 0; i < symbols.Length - 1; i++) Propose(i);
        }

        public void Merge()
        {
            while (candidates.TryDequeue(out int at, out long priority))
            {
                // What was proposed may be gone by now: the pair that stands here must still be of that rank.
                BytePairRule rule = RuleAt(at);
                if (rule.Rank == (int)(priority >> 32)) Join(at, rule.Merged);
            }
        }

        public int CopyTo(Span<int> tokens, Span<int> bytes)
        {
            int count = 0;
            for (int i = 0; i < symbols.Length; i = next[i], count++) (tokens[count], bytes[count]) = (symbols[i], lengths[i]);
            return count;
        }

        private void Join(int at, int merged)
        {
            int right = next[at];
            symbols[at] = merged;
            lengths[at] += lengths[right];
            symbols[right] = -1;
            next[at] = next[right];
            if (next[at] < symbols.Length) previous[next[at]] = at;
            Propose(at);
            if (previous[at] >= 0) Propose(previous[at]);
        }

        private void Propose(int at)
        {
            BytePairRule rule = RuleAt(at);
            if (rule != BytePairRule.None) candidates.Enqueue(at, ((long)rule.Rank << 32) | (uint)at);
        }

        private BytePairRule RuleAt(int at) =>
            symbols[at] < 0 || next[at] >= symbols.Length ? BytePairRule.None : rules.Find(symbols[at], symbols[next[at]]);
    }
}

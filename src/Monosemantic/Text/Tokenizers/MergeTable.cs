using System.Numerics;

namespace Monosemantic.Text.Tokenizers;

/// <summary>What a pair of tokens merges into, and how early.</summary>
/// <param name="Rank">Place of the rule; the lowest is applied first, the leftmost pair of equals.</param>
/// <param name="Merged">The token that replaces the pair.</param>
internal readonly record struct BytePairRule(int Rank, int Merged)
{
    /// <summary>No rule.</summary>
    public static BytePairRule None { get; } = new(int.MaxValue, -1);
}

/// <summary>The merge rules by their pair: an open hash table, since every pair of neighbours is looked up.</summary>
internal sealed class MergeTable
{
    private const ulong Empty = ulong.MaxValue;
    private readonly ulong[] pairs;
    private readonly BytePairRule[] rules;
    private readonly int shift;

    /// <summary>Makes the table.</summary>
    /// <param name="all">The rules; ids are not negative.</param>
    public MergeTable(Dictionary<(int Left, int Right), BytePairRule> all)
    {
        Count = all.Count;
        int bits = BitOperations.Log2((uint)all.Count | 1) + 2;
        shift = 64 - bits;
        pairs = new ulong[1 << bits];
        rules = new BytePairRule[1 << bits];
        Array.Fill(pairs, Empty);
        Array.Fill(rules, BytePairRule.None);
        foreach (((int left, int right), BytePairRule rule) in all)
        {
            int at = PlaceOf(Key(left, right));
            (pairs[at], rules[at]) = (Key(left, right), rule);
        }
    }

    /// <summary>Number of rules.</summary>
    public int Count { get; }

    /// <summary>The rule of a pair, or <see cref="BytePairRule.None"/>.</summary>
    public BytePairRule Find(int left, int right) => rules[PlaceOf(Key(left, right))];

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int PlaceOf(ulong pair)
    {
        int at = (int)((pair * 0x9E3779B97F4A7C15) >> shift);
        while (pairs[at] != pair && pairs[at] != Empty) at = (at + 1) & (pairs.Length - 1);
        return at;
    }
}

using CsCheck;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Tests.Text;

public sealed class PairMergingTests
{
    private const int Letters = 3, Merged = 12;

    // Rules over letters and what earlier rules make, as a trained vocabulary has them; some ranks are shared.
    private static readonly Gen<Dictionary<(int Left, int Right), BytePairRule>> Rules = Gen.Select(Gen.Int[0, 1000], Gen.Int[0, 1000], Gen.Bool).Array[Merged].Select(draws =>
    {
        var rules = new Dictionary<(int Left, int Right), BytePairRule>();
        for (int i = 0; i < draws.Length; i++)
        {
            (int left, int right, bool shared) = draws[i];
            rules.TryAdd((left % (Letters + i), right % (Letters + i)), new BytePairRule(shared ? Math.Max(0, i - 1) : i, Letters + i));
        }
        return rules;
    });

    [Fact]
    public void Both_ways_to_merge_do_what_the_definition_says() => Gen.Select(Rules, Gen.Int[0, Letters - 1].Array[0, 60]).Sample((rules, word) =>
    {
        (int[] tokens, int[] lengths) = ByDefinition(rules, word);
        var table = new MergeTable(rules);
        foreach (var merge in new Merge[] { PairMerging.Scan, PairMerging.Queue, PairMerging.Merge })
        {
            int[] symbols = [.. word], bytes = [.. word.Select(_ => 1)];
            int count = merge(symbols, bytes, table);
            Assert.Equal(tokens, symbols[..count]);
            Assert.Equal(lengths, bytes[..count]);
        }
    });

    [Fact]
    public void The_table_finds_what_is_in_it_and_nothing_else()
    {
        var rules = Enumerable.Range(0, 5000).ToDictionary(i => (i, i * 7), i => new BytePairRule(i, i + 1));
        var table = new MergeTable(rules);
        Assert.Equal(5000, table.Count);
        for (int i = 0; i < 5000; i++)
        {
            Assert.Equal(new BytePairRule(i, i + 1), table.Find(i, i * 7));
            Assert.Equal(BytePairRule.None, table.Find(i * 7, i + 1));
        }
        Assert.Equal(BytePairRule.None, new MergeTable([]).Find(0, 0));
    }

    private delegate int Merge(Span<int> symbols, Span<int> lengths, MergeTable rules);

    private static (int[] Tokens, int[] Lengths) ByDefinition(Dictionary<(int Left, int Right), BytePairRule> rules, int[] word)
    {
        List<(int Symbol, int Length)> symbols = [.. word.Select(letter => (letter, 1))];
        while (true)
        {
            int[] places = [.. Enumerable.Range(0, Math.Max(0, symbols.Count - 1)).Where(i => rules.ContainsKey((symbols[i].Symbol, symbols[i + 1].Symbol)))];
            if (places.Length == 0) return ([.. symbols.Select(symbol => symbol.Symbol)], [.. symbols.Select(symbol => symbol.Length)]);
            int at = places.MinBy(i => rules[(symbols[i].Symbol, symbols[i + 1].Symbol)].Rank);
            symbols[at] = (rules[(symbols[at].Symbol, symbols[at + 1].Symbol)].Merged, symbols[at].Length + symbols[at + 1].Length);
            symbols.RemoveAt(at + 1);
        }
    }
}

using System.Collections.Immutable;
using CsCheck;
using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Activations;

public sealed class ContextScheduleTests
{
    private const int Vocabulary = 50;

    private static readonly Gen<ExtractionConfig> Configs =
        Gen.Select(Gen.Enum<BosPolicy>(), Gen.Bool, Gen.Enum<SeparatorPolicy>(), Gen.Int[2, 14], Gen.Int[1, 4], Gen.Bool)
            .Select((bos, pack, separator, context, batch, shuffle) => new ExtractionConfig
            {
                Model = "toy",
                Hooks = ["a"],
                Context = context,
                Batch = batch,
                HeldOutFraction = 0.3,
                Bos = bos,
                Pack = pack,
                Separator = separator,
                ShuffleDocuments = shuffle,
            });

    [Fact]
    public void Any_group_can_be_made_by_itself()
    {
        Gen.Select(Configs, Gen.Long[0, 1000]).Sample((config, seed) =>
        {
            var schedule = new ContextSchedule(config, SimulatedModel.Corpus(30, Vocabulary, seed: seed));
            foreach (StoreSplit split in new[] { StoreSplit.Training, StoreSplit.HeldOut })
            {
                List<KeptRows> groups = [.. schedule[split].From(0)];
                Assert.Equal(schedule[split].Groups, groups.Count);
                for (int group = 0; group < groups.Count; group++) Assert.Equal(Text(groups[group]), Text(schedule[split].At(group)));
            }
        });
    }

    [Fact]
    public void No_context_holds_documents_of_both_splits()
    {
        Configs.Sample(config =>
        {
            var schedule = new ContextSchedule(config, SimulatedModel.Corpus(30, Vocabulary));
            foreach (StoreSplit split in new[] { StoreSplit.Training, StoreSplit.HeldOut })
            {
                Assert.All(schedule[split].From(0).SelectMany(rows => rows.Contexts).SelectMany(context => context.Documents), document => Assert.Equal(split == StoreSplit.HeldOut, config.Split.IsHeldOut(document)));
            }
        });
    }

    [Fact]
    public void A_group_is_a_rectangle_of_bounded_size()
    {
        Configs.Sample(config =>
        {
            var schedule = new ContextSchedule(config, SimulatedModel.Corpus(30, Vocabulary));
            ImmutableArray<TokenContext>[] groups = [.. schedule[StoreSplit.Training].From(0).Select(rows => rows.Contexts)];
            Assert.All(groups, group => Assert.InRange(group.Length * group.Max(context => context.Length), 2, config.ContextsAtOnce * config.Context));
            Assert.All(groups.Zip(groups.Skip(1)), pair => Assert.True((pair.First.Length + 1) * Math.Max(pair.First.Max(context => context.Length), pair.Second[0].Length) > config.ContextsAtOnce * config.Context));
        });
    }

    [Theory]
    [InlineData(100)]
    [InlineData(333)]
    [InlineData(1)]
    public void A_row_limit_keeps_the_share_of_held_out_rows(long rows)
    {
        ExtractionConfig config = new() { Model = "toy", Hooks = ["a"], Context = 16, HeldOutFraction = 0.3 };
        TokenizedCorpus corpus = SimulatedModel.Corpus(400, Vocabulary);
        ContextSchedule all = new(config, corpus), some = new(config with { Rows = rows }, corpus);
        double share = all[StoreSplit.HeldOut].RowLimit / (double)all.Rows;
        Assert.Equal(rows, some.Rows);
        Assert.InRange(some[StoreSplit.HeldOut].RowLimit, (share * rows) - 0.5, (share * rows) + 0.5);
    }

    [Fact]
    public void Only_the_places_and_tokens_of_the_policy_become_rows()
    {
        TokenizedCorpus corpus = SimulatedModel.Corpus(60, Vocabulary) with { SpecialTokens = [7, 8] };
        ExtractionConfig config = new() { Model = "toy", Hooks = ["a"], Context = 9, HeldOutFraction = 0, Positions = "2..5" };
        KeptRows[] groups = [.. new ContextSchedule(config, corpus)[StoreSplit.Training].From(0)];
        Assert.DoesNotContain(groups.SelectMany(rows => rows.Tokens), token => token is 7 or 8);
        int expected = groups.SelectMany(rows => rows.Contexts).Sum(context => Enumerable.Range(2, 3).Count(at => at < context.Length && context.Positions[at] >= 0 && context.Tokens[at] is not (7 or 8)));
        Assert.Equal(expected, groups.Sum(rows => rows.Count));
        int special = groups.SelectMany(rows => rows.Contexts).Sum(context => Enumerable.Range(2, 3).Count(at => at < context.Length && context.Positions[at] >= 0 && context.Tokens[at] is 7 or 8));
        Assert.InRange(special, 1, int.MaxValue);
        Assert.Equal(expected + special, new ContextSchedule(config with { ExcludeSpecial = false }, corpus).Rows);
        Assert.Throws<UserErrorException>(() => new ContextSchedule(config with { Positions = "9.." }, corpus));
    }

    [Fact]
    public void A_token_to_insert_is_needed_only_where_one_is_inserted()
    {
        TokenizedCorpus corpus = SimulatedModel.Corpus(10, Vocabulary) with { BosToken = null };
        ExtractionConfig config = new() { Model = "toy", Hooks = ["a"], Context = 9, Bos = BosPolicy.Never };
        Assert.Throws<UserErrorException>(() => new ContextSchedule(config, corpus));
        Assert.True(new ContextSchedule(config with { Separator = SeparatorPolicy.None }, corpus).Rows > 0);
        Assert.True(new ContextSchedule(config with { Pack = false }, corpus).Rows > 0);
    }

    [Fact]
    public void Tokens_beyond_what_fits_in_memory_come_back_from_the_disk()
    {
        var random = new SeededRandom(1);
        using var documents = new TokenizedDocuments(tokensInMemory: 1 << 20);
        int[][] all = [.. Enumerable.Range(0, 40).Select(_ => Enumerable.Range(0, random.Next(300_000)).Select(_ => random.Next(1000)).ToArray())];
        foreach (int[] tokens in all) documents.Add(tokens);
        Assert.True(documents.Tokens > 3 << 20);
        for (int i = all.Length - 1; i >= 0; i--) Assert.True(all[i].AsSpan().SequenceEqual(documents[i].Tokens));
        Assert.Equal(all.Sum(tokens => tokens.Length), documents.Tokens);
        Assert.Equal(999, documents.HighestToken);
    }

    private static string Text(KeptRows rows) =>
        string.Join('|', rows.Contexts.Select(context => string.Join(' ', context.Tokens.Zip(context.Documents, context.Positions)))) + "; " + string.Join(' ', rows.Tokens);
}

using System.Collections.Immutable;
using CsCheck;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Text;

public sealed class ContextPackerTests
{
    private const int Bos = 99;

    private static readonly Gen<TokenizedDocument[]> Corpora = Gen.Int[0, 50].Array[0, 12].Array[0, 10].Select(texts =>
        texts.Select((tokens, index) => new TokenizedDocument(index, tokens)).ToArray());

    private static readonly Gen<ContextPolicy> Policies = Gen.Select(Gen.Int[2, 9], Gen.Enum<BosPolicy>(), Gen.Bool).Select((context, bos, pack) =>
        new ContextPolicy { Context = context, Bos = bos, Pack = pack });

    [Fact]
    public void Every_document_token_appears_once_in_order_but_for_dropped_stubs()
    {
        Gen.Select(Corpora, Policies).Sample((corpus, policy) =>
        {
            List<TokenContext> contexts = [.. ContextPacker.Pack(corpus, policy, Bos)];
            var seen = contexts.SelectMany(Entries).Where(entry => entry.Position >= 0).ToList();
            var expected = corpus.SelectMany(document => document.Tokens.Select((token, position) => (token, document.Index, position))).ToList();

            // A context of one token is dropped: the last of a corpus, or of each document where documents are not packed.
            if (policy.Bos == BosPolicy.Always) Assert.Equal(expected, seen);
            else Assert.Equal(expected.Where(entry => !Dropped(corpus, policy, entry)), seen);
        });
    }

    [Fact]
    public void No_context_is_over_the_limit_or_under_two_tokens()
    {
        Gen.Select(Corpora, Policies).Sample((corpus, policy) =>
        {
            foreach (TokenContext context in ContextPacker.Pack(corpus, policy, Bos))
            {
                Assert.InRange(context.Length, 2, policy.Context);
                Assert.Equal(context.Length, context.Documents.Length);
                Assert.Equal(context.Length, context.Positions.Length);
                if (!policy.Pack) Assert.Single(context.Documents.Distinct());
            }
        });
    }

    [Fact]
    public void Inserted_tokens_stand_where_the_policy_says_and_nowhere_else()
    {
        Gen.Select(Corpora, Policies).Sample((corpus, policy) =>
        {
            foreach (TokenContext context in ContextPacker.Pack(corpus, policy, Bos))
            {
                Assert.All(Entries(context).Where(entry => entry.Position < 0), entry => Assert.Equal(Bos, entry.Token));
                if (policy.Bos == BosPolicy.Always) Assert.Equal(-1, context.Positions[0]);
                if (policy.Bos == BosPolicy.Never) Assert.NotEqual(-1, context.Positions[0]);
                for (int i = 1; i < context.Length; i++)
                {
                    Assert.True(context.Positions[i] != 0 || context.Positions[i - 1] == -1, "a document begins without a mark inside a context");
                    Assert.False(context.Positions[i] == -1 && context.Positions[i - 1] == -1, "two marks in a row");
                }
            }
        });
    }

    [Fact]
    public void Packed_contexts_are_full_but_for_the_last()
    {
        Gen.Select(Corpora, Policies.Where(policy => policy.Pack)).Sample((corpus, policy) =>
            Assert.All(ContextPacker.Pack(corpus, policy, Bos).SkipLast(1), context => Assert.Equal(policy.Context, context.Length)));
    }

    [Fact]
    public void A_packed_corpus_looks_like_this()
    {
        TokenizedDocument[] corpus = [new(0, [1, 2, 3, 4, 5]), new(1, []), new(2, [6]), new(3, [7, 8])];

        Assert.Equal(["99 1 2 3", "99 4 5 99", "99 6 99 7", "99 8"], Texts(corpus, new() { Context = 4 }));
        Assert.Equal(["1 2 3 4", "5 99 6 99", "7 8"], Texts(corpus, new() { Context = 4, Bos = BosPolicy.Never }));
        Assert.Equal(["99 1 2 3", "4 5 99 6", "99 7 8"], Texts(corpus, new() { Context = 4, Bos = BosPolicy.Document }));
    }

    [Fact]
    public void One_document_a_context_looks_like_this()
    {
        TokenizedDocument[] corpus = [new(0, [1, 2, 3, 4, 5]), new(1, []), new(2, [6]), new(3, [7, 8])];

        Assert.Equal(["99 1 2 3", "99 4 5", "99 6", "99 7 8"], Texts(corpus, new() { Context = 4, Pack = false }));
        Assert.Equal(["1 2 3 4", "7 8"], Texts(corpus, new() { Context = 4, Pack = false, Bos = BosPolicy.Never }));
        Assert.Equal(["99 1 2 3", "4 5", "99 6", "99 7 8"], Texts(corpus, new() { Context = 4, Pack = false, Bos = BosPolicy.Document }));
    }

    [Fact]
    public void An_inserted_token_belongs_to_the_document_that_follows_it()
    {
        TokenContext context = ContextPacker.Pack([new(0, [1, 2]), new(3, [5])], new ContextPolicy { Context = 8 }, Bos).Single();

        Assert.Equal([99, 1, 2, 99, 5], context.Tokens);
        Assert.Equal([0, 0, 0, 3, 3], context.Documents);
        Assert.Equal([-1, 0, 1, -1, 0], context.Positions);
    }

    [Fact]
    public void Batches_hold_consecutive_contexts_of_one_length()
    {
        Gen.Select(Gen.Int[2, 4].Array[0, 20], Gen.Int[1, 5]).Sample((lengths, batch) =>
        {
            TokenContext[] contexts = [.. lengths.Select(length => new TokenContext(new int[length], new int[length], new int[length]))];
            List<ImmutableArray<TokenContext>> groups = [.. ContextPacker.Batches(contexts, batch)];

            Assert.Equal(contexts, groups.SelectMany(group => group));
            Assert.All(groups, group => Assert.InRange(group.Length, 1, batch));
            Assert.All(groups, group => Assert.Single(group.Select(context => context.Length).Distinct()));
            for (int i = 1; i < groups.Count; i++) Assert.True(groups[i - 1].Length == batch || groups[i - 1][0].Length != groups[i][0].Length);
        });
    }

    [Fact]
    public void Contexts_come_one_by_one_from_a_stream_without_end()
    {
        IEnumerable<TokenizedDocument> endless = Enumerable.Range(0, int.MaxValue).Select(index => new TokenizedDocument(index, [1, 2, 3]));
        Assert.Equal(10, ContextPacker.Batches(ContextPacker.Pack(endless, new ContextPolicy { Context = 5 }, Bos), 3).Take(10).Count());
    }

    [Fact]
    public void Impossible_settings_are_refused_at_once()
    {
        Assert.Contains("1 tokens", Assert.Throws<UserErrorException>(() => ContextPacker.Pack([], new ContextPolicy { Context = 1 }, Bos)).Message);
        Assert.Contains("-1", Assert.Throws<UserErrorException>(() => ContextPacker.Pack([], new ContextPolicy(), -1)).Message);
        Assert.Contains("0 contexts", Assert.Throws<UserErrorException>(() => ContextPacker.Batches([], 0)).Message);
    }

    private static IEnumerable<(int Token, int Document, int Position)> Entries(TokenContext context) =>
        context.Tokens.Select((token, i) => (token, context.Documents[i], context.Positions[i]));

    private static IEnumerable<string> Texts(TokenizedDocument[] corpus, ContextPolicy policy) =>
        ContextPacker.Pack(corpus, policy, Bos).Select(context => string.Join(' ', context.Tokens));

    // Counts tokens rather than building contexts: what falls alone into the last context is the token whose place in its stream
    // (documents with their marks) is a multiple of the context length, and the last.
    private static bool Dropped(TokenizedDocument[] corpus, ContextPolicy policy, (int Token, int Document, int Position) entry)
    {
        TokenizedDocument[] full = [.. corpus.Where(document => document.Tokens.Length > 0)];
        TokenizedDocument own = full.Single(document => document.Index == entry.Document);
        if (entry.Position != own.Tokens.Length - 1 || (policy.Pack && own != full[^1])) return false;
        bool marked = policy.Bos == BosPolicy.Document;
        if (!policy.Pack) return (entry.Position + (marked ? 1 : 0)) % policy.Context == 0;
        int place = 0;
        foreach (TokenizedDocument document in full)
        {
            if (marked || place % policy.Context != 0) place++;
            place += document.Tokens.Length;
        }
        return (place - 1) % policy.Context == 0;
    }
}

using System.Text;
using CsCheck;
using Monosemantic.Text;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Tests.Text;

public sealed class LibraryMergesTests
{
    // The alphabet of bytes, and what merges of it make.
    private static readonly string[] Alphabet = [.. Enumerable.Range(0, 256).Select(value => Letter((byte)value))];

    [Fact]
    public void The_library_and_the_rules_give_the_same_tokens_and_lengths()
    {
        Gen.Select(Gen.Select(Gen.Int[0, 100_000], Gen.Int[0, 100_000]).Array[1, 40], JsonTokenizer.AnyText.Array[1, 12]).Sample((draws, texts) =>
        {
            (BytePairModel mixed, BytePairModel own, LibraryMerges library) = Models(draws);
            foreach (string word in texts.Where(text => text.Length > 0))
            {
                (int[] tokens, int[] lengths) = Encode(own, word);
                (int[] mixedTokens, int[] mixedLengths) = Encode(mixed, word);
                Assert.Equal(tokens, mixedTokens);
                Assert.Equal(lengths, mixedLengths);
                if (!LibraryMerges.Suits(word)) continue;
                int[] ids = new int[word.Length * SymbolSource.MaxPerUnit], bytes = new int[ids.Length];
                int count = library.Merge(word, ids, bytes);
                Assert.Equal(tokens, ids[..count]);
                Assert.Equal(lengths, bytes[..count]);
                Assert.Equal(Encoding.UTF8.GetByteCount(word), lengths.Sum());
            }
        }, iter: 300);
    }

    [Fact]
    public void Half_a_character_does_not_suit_the_library()
    {
        Assert.All(["word", "a\U0001F600b"], word => Assert.True(LibraryMerges.Suits(word)));
        Assert.All(["a\uD83D", "\uDE00\uD83D", "\U0001F600\uD83Da"], word => Assert.False(LibraryMerges.Suits(word)));
    }

    [Fact]
    public void A_long_word_does_not_suit_the_library_nor_does_a_vocabulary_without_a_byte()
    {
        Assert.True(LibraryMerges.Suits(new string('a', WordCache.MaxLength)));
        Assert.False(LibraryMerges.Suits(new string('a', WordCache.MaxLength + 1)));
        Assert.NotNull(LibraryMerges.Of(Of([.. Alphabet.Where(letter => letter != Letter(0xC0) && letter != Letter(0xFF))]), []));
        Assert.Null(LibraryMerges.Of(Of([.. Alphabet.Where(letter => letter != Letter((byte)'x'))]), []));
        Assert.Null(LibraryMerges.Of(Of([.. Alphabet.Where(letter => letter != Letter(0xF4))]), []));
    }

    private static string Letter(byte value) => ByteAlphabet.ToCharacter(value).ToString();

    private static Vocabulary Of(string[] pieces) => new([.. pieces.Select((piece, id) => new VocabularyToken(piece, id))], [], "test");

    private static (BytePairModel Mixed, BytePairModel Own, LibraryMerges Library) Models((int Left, int Right)[] draws)
    {
        List<string> pieces = [.. Alphabet];
        var merges = new List<(string Left, string Right)>();
        // Mostly letters of English, so that merges meet.
        string Pick(int draw) => draw % 3 == 0 ? Letter((byte)"abth e".ElementAt(draw / 3 % 6)) : pieces[256 + draw % Math.Max(1, pieces.Count - 256) is var at && at < pieces.Count ? at : draw % 256];
        foreach ((int left, int right) in draws)
        {
            (string first, string second) = (Pick(left), Pick(right));
            if (pieces.Contains(first + second)) continue;
            pieces.Add(first + second);
            merges.Add((first, second));
        }
        Vocabulary vocabulary = Of([.. pieces]);
        Dictionary<(int Left, int Right), BytePairRule> rules = vocabulary.Rules([.. merges.Select(merge => new MergeRule(merge.Left, merge.Right))], "test");
        var symbols = new ByteSymbols([.. Enumerable.Range(0, 256)], new UnknownToken(-1, Fuse: false));
        LibraryMerges library = LibraryMerges.Of(vocabulary, rules)!;
        return (new(symbols, new MergeTable(rules)) { Library = library }, new(symbols, new MergeTable(rules)), library);
    }

    private static (int[] Tokens, int[] Lengths) Encode(BytePairModel model, string word)
    {
        var sink = new TokenSink(8, measured: true);
        model.Encode(word, sink);
        return (sink.Tokens.ToArray(), sink.Lengths.ToArray());
    }
}

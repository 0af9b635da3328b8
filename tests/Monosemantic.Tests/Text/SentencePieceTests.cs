using CsCheck;
using Monosemantic.Runtime;
using Monosemantic.Text;
using Monosemantic.Text.Tokenizers;
using static Monosemantic.Tests.Text.SentencePieceBytes;

namespace Monosemantic.Tests.Text;

public sealed class SentencePieceTests
{
    private const int Unigram = 1, BytePairs = 2;

    private static readonly (string Text, float Score)[] Words =
        [("▁a", -1), ("ab", -2), ("▁ab", -3), ("▁▁", -4), ("ba", -4), ("bab", -5), ("▁", -10), ("a", -11), ("b", -12), ("é", -13)];

    [Fact]
    public void Pairs_merge_by_the_score_of_what_they_make()
    {
        Tokenizer tokenizer = Load(Model([.. Marks(true), .. Words.Select(word => Piece(word.Text, word.Score))], BytePairs, byteFallback: true));
        Dictionary<string, float> scores = Words.ToDictionary(word => word.Text, word => word.Score);
        Gen.String[Gen.Char["aabb  éx"], 0, 40].Sample(text => Assert.Equal(ByDefinition(text, scores), tokenizer.Pieces(text)));
        Assert.Equal("▁|<0xF0>|<0x9F>|<0xA6>|<0x99>|<0x00>", tokenizer.Pieces("🦙\0"));
        JsonTokenizer.AnyText.Where(text => !text.Contains('▁')).Sample(text => Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text))));
        Assert.Equal((1, 2, 0), (tokenizer.Bos, tokenizer.Eos, tokenizer.Unknown));
        Assert.Equal("SentencePiece BPE with byte fallback", tokenizer.Kind);
    }

    [Fact]
    public void Marks_are_text_unless_asked_for()
    {
        Tokenizer tokenizer = Load(Model([.. Marks(true), .. "▁ab<s>".Select((c, i) => Piece(c.ToString(), -i)), Piece("<s", -1)], BytePairs, byteFallback: true));
        Assert.Equal("▁|a|<s|>|b", tokenizer.Pieces("a<s>b"));
        Assert.Equal("▁|a|<s>|▁|b", tokenizer.Pieces("a<s>b", special: true));
        Assert.Equal("a<s>b", tokenizer.Decode(tokenizer.Encode("a<s>b", parseSpecialTokens: true)));
        Assert.Equal("<s>a", tokenizer.Decode(tokenizer.Encode("a", new EncodingPolicy { Add = AddedMarks.Bos })));
        Assert.Equal([1, 2], tokenizer.SpecialTokens);
    }

    [Fact]
    public void User_defined_pieces_are_never_cut()
    {
        Tokenizer tokenizer = Load(Model([.. Marks(true), Piece("b▁b", 0, PieceType.UserDefined), .. Words.Select(word => Piece(word.Text, word.Score))], BytePairs, byteFallback: true));
        Assert.Equal("▁a|b▁b|a", tokenizer.Pieces("ab ba"));
        Assert.Equal("a|b b|a", tokenizer.Stretches("ab ba"));
        Assert.Equal("ab ba", tokenizer.Decode(tokenizer.Encode("ab ba")));
    }

    [Fact]
    public void Characters_that_are_no_pieces_may_still_be_merged()
    {
        Tokenizer bytes = Load(Model([.. Marks(true), Piece("▁", -5), Piece("xy", -1)], BytePairs, byteFallback: true));
        Assert.Equal("▁|xy|<0x79>|<0x78>", bytes.Pieces("xyyx"));
        Tokenizer unknown = Load(Model([.. Marks(false), Piece("▁", -5), Piece("xy", -1)], BytePairs));
        Assert.Equal("▁|xy|<unk>", unknown.Pieces("xyyxz"));
        Assert.Equal("|xy|yxz", unknown.Stretches("xyyxz"));
    }

    [Fact]
    public void Unigram_takes_the_best_of_all_segmentations()
    {
        (string Text, float Score)[] words = [.. Words.Select((word, i) => (word.Text, word.Score - i * 0.01f))];
        Tokenizer tokenizer = Load(Model([.. Marks(false), .. words.Select(word => Piece(word.Text, word.Score))], Unigram));
        Dictionary<string, float> scores = words.ToDictionary(word => word.Text, word => word.Score);
        float unknown = words.Min(word => word.Score) - 10;
        Gen.String[Gen.Char["aabb x"], 1, 9].Sample(text =>
        {
            string marked = "▁" + text.Replace(' ', '▁');
            (float Score, string[] Pieces)[] ways = [.. Segmentations(marked, scores, unknown)];
            Assert.Equal(ways.Max(way => way.Score), ways.Where(way => Joined(way.Pieces) == tokenizer.Pieces(text)).Max(way => way.Score), 1e-3);
            Assert.Equal(text, string.Concat(tokenizer.EncodeWithOffsets(text).Select(span => text[span.Start..span.End])));
        });
        Assert.Equal("▁a|<unk>|▁a", tokenizer.Pieces("axyz a"));
        Assert.Equal("SentencePiece unigram", tokenizer.Kind);
    }

    [Fact]
    public void Unigram_falls_back_to_bytes_and_keeps_user_defined_pieces()
    {
        Tokenizer tokenizer = Load(Model([.. Marks(true), Piece("b▁b", 0, PieceType.UserDefined), .. Words.Select(word => Piece(word.Text, word.Score))], Unigram, byteFallback: true));
        Assert.Equal("▁|b▁b", tokenizer.Pieces("b b"));
        Assert.Equal("▁a|<0xC3>|<0xBC>|b", tokenizer.Pieces("aüb"));
        JsonTokenizer.AnyText.Where(text => !text.Contains('▁')).Sample(text => Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text))));
    }

    [Fact]
    public void Superfluous_spaces_go_where_the_model_says_so()
    {
        Tokenizer tokenizer = Load(Model([.. Marks(true), .. Words.Select(word => Piece(word.Text, word.Score))], BytePairs, byteFallback: true, removeSpaces: true));
        Assert.Equal("▁ab|▁a", tokenizer.Pieces("  ab   a "));
        Assert.Equal("ab|   a", tokenizer.Stretches("  ab   a "));
        Assert.Equal("", tokenizer.Pieces("   "));
        Tokenizer bare = Load(Model([.. Marks(true), .. Words.Select(word => Piece(word.Text, word.Score))], BytePairs, byteFallback: true, addPrefix: false));
        Assert.Equal("ab|▁a", bare.Pieces("ab a"));
        Assert.Equal(" ab", bare.Decode(bare.Encode(" ab")));
    }

    [Fact]
    public void Replacements_take_the_longest_match()
    {
        byte[] packed = Replacements(("ﬁ", "ba"), ("x", "b"), ("xx", "a"), ("\u3000", " "), ("\u00ad", ""));
        var table = CharacterReplacements.Read(packed, "here")!;
        Assert.Equal((2, "a"), (table.Match("xxx", out string? by), by));
        Assert.Equal((1, "b"), (table.Match("xy", out by), by));
        Assert.Equal((0, null), (table.Match("y", out by), by));

        Tokenizer tokenizer = Load(Model([.. Marks(true), .. Words.Select(word => Piece(word.Text, word.Score))], BytePairs, byteFallback: true, removeSpaces: true, replacements: packed));
        Assert.Equal("▁|ba|▁ab", tokenizer.Pieces("ﬁ\u3000 xxx\u00ad"));
        Assert.Equal("|ﬁ|\u3000 xxx", tokenizer.Stretches("ﬁ\u3000 xxx\u00ad"));
    }

    [Fact]
    public void A_damaged_table_of_replacements_is_refused()
    {
        byte[] packed = Replacements(("ab", "c"), ("ac", "d"));
        for (int length = 1; length < packed.Length; length += 1 + length / 40)
        {
            Assert.Contains("precompiled_charsmap", Assert.Throws<UserErrorException>(() => CharacterReplacements.Read(packed.AsSpan(0, length), "here")).Message);
        }
        var random = new Random(4);
        for (int i = 0; i < 2000; i++)
        {
            byte[] changed = [.. packed];
            changed[random.Next(changed.Length)] = (byte)random.Next(256);
            try
            {
                CharacterReplacements.Read(changed, "here");
            }
            catch (UserErrorException)
            {
                // Either it is still a table, or it is refused; nothing else may happen.
            }
        }
    }

    [Fact]
    public void Every_truncation_and_change_is_read_or_refused()
    {
        byte[] whole = Model([.. Marks(false), .. Words.Select(word => Piece(word.Text, word.Score))], BytePairs);
        Load(whole);
        for (int length = 0; length < whole.Length; length++) Assert.Throws<UserErrorException>(() => Load(whole[..length]));
        var random = new Random(3);
        for (int i = 0; i < 3000; i++)
        {
            byte[] changed = [.. whole];
            changed[random.Next(changed.Length)] = (byte)random.Next(256);
            try
            {
                Load(changed).Encode("ab a é");
            }
            catch (UserErrorException)
            {
                // Refused by name: as good as read.
            }
        }
    }

    public static TheoryData<string, string> Bad => new()
    {
        { "word", "model_type is word" },
        { "char", "model_type is char" },
        { "unused", "unknown type 9" },
        { "nothing", "no pieces" },
        { "field", "field 9" },
        { "byte", "type byte" },
        { "bytes", "byte_fallback is true" },
        { "unknowns", "one piece of the type unknown" },
        { "text", "damaged" },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void What_is_not_understood_is_refused_by_name(string what, string named)
    {
        var marks = Marks(false);
        byte[] file = what switch
        {
            "word" => Model(marks, 3),
            "char" => Model(marks, 4),
            "unused" => Model([.. marks, Piece("x", 0, (PieceType)9)], BytePairs),
            "nothing" => Model([], BytePairs),
            "field" => [.. Model(marks, BytePairs), .. Message([], 9, [1])],
            "byte" => Model([.. marks, Piece("x", 0, PieceType.Byte)], BytePairs),
            "bytes" => Model(marks, BytePairs, byteFallback: true),
            "unknowns" => Model([.. marks, Piece("x", 0, PieceType.Unknown)], BytePairs),
            _ => "this is no model"u8.ToArray(),
        };
        UserErrorException error = Assert.Throws<UserErrorException>(() => Load(file));
        Assert.Contains(named, error.Message);
        Assert.Contains("here.model", error.Message);
    }

    private static Tokenizer Load(byte[] file) => new(SentencePieceFormat.Read(file, "here.model"));

    private static string Joined(IEnumerable<string> pieces) => string.Join('|', pieces);

    // The neighbours whose joint piece has the highest score, until there is none.
    private static string ByDefinition(string text, Dictionary<string, float> scores)
    {
        if (text.Length == 0) return "";
        List<string> symbols = [.. ("▁" + text.Replace(' ', '▁')).Select(c => c.ToString())];
        while (true)
        {
            int[] places = [.. Enumerable.Range(0, symbols.Count - 1).Where(i => scores.ContainsKey(symbols[i] + symbols[i + 1]))];
            if (places.Length == 0) return Joined(symbols.Select(symbol => scores.ContainsKey(symbol) ? symbol : $"<0x{(int)symbol[0]:X2}>"));
            int at = places.MaxBy(i => scores[symbols[i] + symbols[i + 1]]);
            symbols[at] += symbols[at + 1];
            symbols.RemoveAt(at + 1);
        }
    }

    private static IEnumerable<(float Score, string[] Pieces)> Segmentations(string text, Dictionary<string, float> scores, float unknown)
    {
        if (text.Length == 0) return [(0, [])];
        return Enumerable.Range(1, text.Length).SelectMany(length =>
        {
            string piece = text[..length];
            bool known = scores.TryGetValue(piece, out float score);
            if (!known && length > 1) return [];
            return Segmentations(text[length..], scores, unknown).Select(rest => (rest.Score + (known ? score : unknown), Fused(known ? piece : "<unk>", rest.Pieces)));
        });
    }

    private static string[] Fused(string piece, string[] rest) => piece == "<unk>" && rest is ["<unk>", ..] ? rest : [piece, .. rest];
}

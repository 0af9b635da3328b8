using System.Text.Json.Nodes;
using CsCheck;
using Monosemantic.Runtime;
using Monosemantic.Text;
using Monosemantic.Text.Tokenizers;
using static Monosemantic.Tests.Text.JsonTokenizer;

namespace Monosemantic.Tests.Text;

public sealed class HuggingFaceFormatTests
{
    private static readonly string[] Alphabet = [.. ByteAlphabet.Order.Select(value => ByteAlphabet.ToCharacter(value).ToString())];

    private static readonly string LlamaCutting = Cutting(Llama3PreTokenizer.Pattern);

    [Fact]
    public void Llama_3_s_layout_cuts_digits_by_threes_and_takes_whole_words()
    {
        // "3 4" comes first, but never gets to see both digits; no merge makes "hello".
        JsonObject Model(string further) => JsonTokenizer.Model([.. Alphabet, "34", "12", "123", "45", "he", "ll", "hello", "Ġw"], ["3 4", "1 2", "12 3", "4 5", "h e", "l l", "Ġ w"], further);
        Tokenizer whole = Create(Model("""{"ignore_merges":true}"""), cutting: LlamaCutting, decoder: ByteLevel);
        Tokenizer merged = Create(Model("{}"), cutting: LlamaCutting, decoder: ByteLevel);

        Assert.Equal("123|45|Ġw|Ġ|6", whole.Pieces("12345 w 6"));
        Assert.Equal("hello|Ġ|he|ll", whole.Pieces("hello hell"));
        Assert.Equal("he|ll|o", merged.Pieces("hello"));
        Assert.Equal("hello", whole.Stretches("hello"));
    }

    [Fact]
    public void Qwen_s_layout_composes_characters_and_cuts_digits_singly()
    {
        string é = ByteAlphabet.Write("é"u8);
        Tokenizer tokenizer = Create(
            Model([.. Alphabet, "12", é], ["1 2", $"{é[0]} {é[1]}"]),
            normalizer: """{"type":"NFC"}""", cutting: Cutting(Llama3PreTokenizer.QwenPattern), decoder: ByteLevel);
        Assert.Equal($"1|2|{é}|x", tokenizer.Pieces("12e\u0301x"));
        Assert.Equal("1|2|e\u0301|x", tokenizer.Stretches("12e\u0301x"));
        Assert.Equal("12\u00e9x", tokenizer.Decode(tokenizer.Encode("12e\u0301x")));
    }

    [Fact]
    public void A_prefix_space_goes_in_front_of_every_piece_that_has_none()
    {
        string cutting = """{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}""";
        Tokenizer tokenizer = Create(Model([.. Alphabet, "Ġa", "<x>"], ["Ġ a"]), cutting: cutting, decoder: ByteLevel, added: """[{"id":257,"content":"<x>","special":true}]""");
        Assert.Equal("Ġa|<x>|Ġa|Ġa", tokenizer.Pieces("a<x> a a", special: true));
        Assert.Equal("a|<x>| a| a", tokenizer.Stretches("a<x> a a", special: true));
        Assert.Equal("Ġ|!", tokenizer.Pieces("!"));
        Assert.Equal("|!", tokenizer.Stretches("!"));
    }

    [Fact]
    public void Digits_before_bytes_are_cut_one_by_one()
    {
        string cutting = $$"""{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{{ByteLevel}}]}""";
        Tokenizer tokenizer = Create(Model([.. Alphabet, "12", "Ġ1"], ["1 2", "Ġ 1"]), cutting: cutting, decoder: ByteLevel);
        Assert.Equal("a|Ġ|1|2", tokenizer.Pieces("a 12"));
    }

    [Fact]
    public void Merges_may_be_pairs_whose_parts_hold_spaces()
    {
        JsonObject model = Model(["a", " ", " a", "  a"], []);
        model["merges"] = new JsonArray(new JsonArray(" ", "a"), new JsonArray(" ", " a"));
        Assert.Equal("  a|a", Create(model).Pieces("  aa"));
    }

    [Fact]
    public void Llama_2_s_layout_falls_back_to_bytes_and_decodes_to_the_text()
    {
        Tokenizer tokenizer = Create(
            Model(WithBytes("▁", "a", "b", "▁a", "ab", "▁ab"), ["▁ a", "a b", "▁a b"], """{"unk_token":"<unk>","fuse_unk":true,"byte_fallback":true}"""),
            LlamaNormalizer, decoder: LlamaDecoder,
            added: """[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true},{"id":2,"content":"</s>","special":true}]""");

        Assert.Equal("▁ab|▁|<0xC3>|<0xA9>|ab|▁|▁a", tokenizer.Pieces("ab éab  a"));
        Assert.Equal([(0, 2), (2, 3), (3, 4), (3, 4), (4, 6), (6, 7), (7, 9)], tokenizer.EncodeWithOffsets("ab éab  a").Select(span => (span.Start, span.End)));
        Assert.Equal("▁ab|<s>|▁ab", tokenizer.Pieces("ab<s>ab", special: true));
        Assert.Equal("▁ab|▁|<0x3C>", string.Join('|', tokenizer.Pieces("ab <s>ab").Split('|')[..3]));
        Assert.Equal(0, tokenizer.Unknown);
        AnyText.Where(text => !text.Contains('▁')).Sample(text =>
        {
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, parseSpecialTokens: true)));
        });
        Assert.Equal(" ab", tokenizer.Decode(tokenizer.Encode(" ab")));
        Assert.Equal("<0xA9>", tokenizer.Display(3 + 0xA9));
        Assert.Equal("<0xA9>ab", tokenizer.Display([3 + 0xA9, 263]));
        Assert.Equal([0xA9, .. "ab"u8], tokenizer.DecodeBytes([3 + 0xA9, 263]));
    }

    [Fact]
    public void Gemma_s_layout_puts_nothing_in_front()
    {
        Tokenizer tokenizer = Create(
            Model(WithBytes("▁", "a", "▁▁", "▁a"), ["▁ ▁", "▁ a"], """{"unk_token":"<unk>","fuse_unk":true,"byte_fallback":true}"""),
            """{"type":"Replace","pattern":{"String":" "},"content":"▁"}""",
            """{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}""",
            """{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"}]}""");
        Assert.Equal("a|▁▁|▁a", tokenizer.Pieces("a   a"));
        Assert.Equal(" a", tokenizer.Decode(tokenizer.Encode(" a")));
        Assert.Equal("a", tokenizer.Decode(tokenizer.Encode("a")));
    }

    [Theory]
    [InlineData("first", "▁a|<x>|a", "a<x>a")]
    [InlineData("always", "▁a|<x>|▁a", "a<x>a")]
    [InlineData("never", "a|<x>|a", "a<x>a")]
    public void Metaspace_prepends_by_its_scheme(string scheme, string pieces, string decoded)
    {
        string metaspace = $$"""{"type":"Metaspace","replacement":"▁","prepend_scheme":"{{scheme}}","split":true}""";
        Tokenizer tokenizer = Create(Model(["▁", "a", "▁a", "<x>"], ["▁ a"]), cutting: metaspace, decoder: metaspace, added: """[{"id":3,"content":"<x>","special":true}]""");
        Assert.Equal(pieces, tokenizer.Pieces("a<x>a", special: true));
        Assert.Equal(decoded, tokenizer.Decode(tokenizer.Encode("a<x>a", parseSpecialTokens: true)));
    }

    [Fact]
    public void Unknown_characters_are_one_token_each_or_one_together()
    {
        Tokenizer Make(bool fuse) => Create(Model(["<unk>", "a", "b", "ab"], ["a b"], $$"""{"unk_token":"<unk>","fuse_unk":{{(fuse ? "true" : "false")}}}"""));
        Assert.Equal("<unk>|<unk>|ab|<unk>", Make(false).Pieces("xyab🦙"));
        Assert.Equal("<unk>|ab|<unk>", Make(true).Pieces("xyab🦙"));
        Assert.Equal("xy|ab|🦙", Make(true).Stretches("xyab🦙"));
        Assert.Equal("x|y|ab|🦙", Make(false).Stretches("xyab🦙"));
    }

    [Fact]
    public void A_character_without_any_token_is_an_error_that_names_it()
    {
        Tokenizer tokenizer = Create(Model(["a"], []));
        Assert.Contains("\"é\" (U+00E9)", Assert.Throws<UserErrorException>(() => tokenizer.Encode("aé")).Message);
        Tokenizer bytes = Create(Model(["a", "Ġ"], []), cutting: ByteLevel, decoder: ByteLevel);
        Assert.Contains("\"b\" (U+0062)", Assert.Throws<UserErrorException>(() => bytes.Encode("a b")).Message);
        Document[] documents = [new("one", "a a"), new("two", "b")];
        Assert.Contains("U+0062", Assert.Throws<UserErrorException>(() => CorpusTokenizer.TokenizeAll(documents, bytes, TestContext.Current.CancellationToken).ToArray()).Message);
    }

    [Fact]
    public void Some_byte_tokens_and_not_all_are_refused()
    {
        JsonObject model = Model([.. WithBytes("a").Where(piece => piece != "<0x0A>")], [], """{"byte_fallback":true}""");
        Assert.Contains("<0x0A>", Assert.Throws<UserErrorException>(() => Create(model)).Message);
    }

    [Theory]
    [InlineData("""{"single_word":true}""", "a<x> <x>b <x>", "a|<|x|>|Ġ|<|x|>|b|Ġ|<x>")]
    [InlineData("""{"lstrip":true}""", "a  <x> b", "a|<x>|Ġ|b")]
    [InlineData("""{"rstrip":true}""", "a <x>  b", "a|Ġ|<x>|b")]
    [InlineData("""{"lstrip":true,"rstrip":true}""", " <x> \n<x> ", "<x>|<x>")]
    [InlineData("{}", "a <x> b", "a|Ġ|<x>|Ġ|b")]
    public void Added_tokens_take_what_they_are_told_to(string further, string text, string expected)
    {
        var token = (JsonObject)JsonNode.Parse(further)!;
        (token["id"], token["content"]) = (256, "<x>");
        Tokenizer tokenizer = Create(Model(Alphabet, []), cutting: ByteLevel, decoder: ByteLevel, added: $"[{token.ToJsonString()}]");
        Assert.Equal(expected, tokenizer.Pieces(text));
    }

    [Fact]
    public void Stripped_space_belongs_to_the_token_that_took_it()
    {
        Tokenizer tokenizer = Create(Model(Alphabet, []), cutting: ByteLevel, decoder: ByteLevel, added: """[{"id":256,"content":"<x>","lstrip":true,"rstrip":true}]""");
        Assert.Equal("a|  <x>\n|b", tokenizer.Stretches("a  <x>\nb"));
    }

    [Fact]
    public void Normalized_tokens_are_found_in_normalized_text_and_others_before()
    {
        Tokenizer tokenizer = Create(
            Model(Alphabet, []), """{"type":"Lowercase"}""", ByteLevel, ByteLevel,
            added: """[{"id":256,"content":"YES","normalized":true},{"id":257,"content":"No","normalized":false}]""");
        Assert.Equal("YES|YES|Ġ|No|Ġ|n|o", tokenizer.Pieces("yesYES No no"));
        Assert.Equal("yes|YES| |No| |n|o", tokenizer.Stretches("yesYES No no"));
    }

    [Fact]
    public void Special_tokens_that_stay_text_are_passed_over_whole()
    {
        Tokenizer tokenizer = Create(
            Model(Alphabet, []), cutting: ByteLevel, decoder: ByteLevel,
            added: """[{"id":256,"content":"<ab>","special":true},{"id":257,"content":"ab"}]""");
        Assert.Equal("<|a|b|>|ab", tokenizer.Pieces("<ab>ab"));
        Assert.Equal("<ab>|ab", tokenizer.Pieces("<ab>ab", special: true));
        Assert.Equal([256], tokenizer.SpecialTokens);
    }

    [Fact]
    public void A_template_is_applied_only_where_the_policy_asks()
    {
        string post = $$$$"""
            {"type":"Sequence","processors":[{{{{ByteLevel}}}},{"type":"TemplateProcessing",
            "single":[{"SpecialToken":{"id":"<b>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<e>","type_id":0}}],
            "pair":[],"special_tokens":{"<b>":{"id":"<b>","ids":[256],"tokens":["<b>"]},"<e>":{"id":"<e>","ids":[257],"tokens":["<e>"]}}}]}
            """;
        Tokenizer tokenizer = Create(Model(Alphabet, []), cutting: ByteLevel, decoder: ByteLevel, post: post, added: """[{"id":256,"content":"<b>","special":true},{"id":257,"content":"<e>","special":true}]""");

        int a = tokenizer.Encode("a").Single();
        Assert.Equal([256, a, 257], tokenizer.Encode("a", new EncodingPolicy { Add = AddedMarks.Template }));
        Assert.Equal([256, a], tokenizer.Encode("a", new EncodingPolicy { Add = AddedMarks.Bos }));
        Assert.Equal([a], tokenizer.Encode("a", EncodingPolicy.Plain));
        Assert.Equal(new TokenSpan[] { new(256, 0, 0), new(a, 0, 1), new(257, 1, 1) }, tokenizer.EncodeWithOffsets("a", new EncodingPolicy { Add = AddedMarks.Template }));
        EncodingRecord record = tokenizer.Describe(new EncodingPolicy { Add = AddedMarks.Template, Special = SpecialText.Token });
        Assert.Equal([256], record.Before);
        Assert.Equal([257], record.After);
        Assert.Equal(tokenizer.Sha256, record.TokenizerSha256);
        Assert.Equal((256, 257), (tokenizer.Bos, tokenizer.Eos));
    }

    [Fact]
    public void A_token_that_there_is_not_cannot_be_added()
    {
        Tokenizer tokenizer = Create(Model(["a"], []));
        Assert.Null(tokenizer.Bos);
        Assert.Contains("beginning-of-sequence", Assert.Throws<UserErrorException>(() => tokenizer.Encode("a", new EncodingPolicy { Add = AddedMarks.Bos })).Message);
        Assert.Contains("template", Assert.Throws<UserErrorException>(() => tokenizer.Encode("a", new EncodingPolicy { Add = AddedMarks.Template })).Message);
    }

    [Fact]
    public void Without_a_decoder_pieces_are_joined_with_spaces_as_in_the_reference() => Assert.Equal("a b", Create(Model(["a", "b"], [])).Decode([0, 1]));

    [Fact]
    public void Ids_may_have_gaps()
    {
        JsonObject model = Model(["a"], []);
        model["vocab"]!["b"] = 5;
        Tokenizer tokenizer = Create(model);
        Assert.Equal(6, tokenizer.VocabularySize);
        Assert.True(tokenizer.Contains(5));
        Assert.False(tokenizer.Contains(3));
        Assert.Equal(5, tokenizer.IdOf("b"));
        Assert.Null(tokenizer.IdOf("c"));
        Assert.Contains("3", Assert.Throws<UserErrorException>(() => tokenizer.Piece(3)).Message);
    }

    // Rules over the characters of a small alphabet; a document without a pre-tokenizer is one word, and is still cut.
    [Fact]
    public void Cutting_a_document_where_no_merge_can_cross_changes_nothing()
    {
        string[] merges = ["▁ t", "h e", "▁t he", "a b", "▁ a", "e ▁", "! !", "▁ ▁", "b a"];
        string[] vocabulary = ["<unk>", .. "▁theab!".Select(c => c.ToString()), .. merges.Select(merge => merge.Replace(" ", ""))];
        Tokenizer cut = Create(Model(vocabulary, merges, """{"unk_token":"<unk>","fuse_unk":true}"""));
        var words = vocabulary.Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        Gen.String[Gen.Char["▁▁▁theeabb!xy"], 0, 300].Sample(text => Assert.Equal(ByDefinition(text, merges, words), cut.Pieces(text)));
    }

    [Fact]
    public void Any_value_anywhere_is_read_or_refused()
    {
        string post = """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}}""";
        string metaspace = """{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"Split","pattern":{"Regex":"x"},"behavior":"Removed"},{"type":"Metaspace","replacement":"▁"}]}""";
        string json = System.Text.Encoding.UTF8.GetString(Json(
            Model(["<unk>", "<s>", "▁", "a", "▁a"], ["▁ a"], """{"unk_token":"<unk>","fuse_unk":true,"byte_fallback":false}"""),
            LlamaNormalizer, metaspace, LlamaDecoder, post, """[{"id":1,"content":"<s>","special":true}]"""));
        int refused = 0, places = Places(JsonNode.Parse(json)!).Count;
        for (int place = 0; place < places; place++)
        {
            foreach (string value in new[] { "null", "7", "-1", "\"x\"", "\"\"", "[]", "{}", "[null]", "true", "1e99" })
            {
                JsonNode root = JsonNode.Parse(json)!;
                JsonNode? old = Places(root)[place];
                old!.ReplaceWith(JsonNode.Parse(value));
                try
                {
                    new Tokenizer(HuggingFaceFormat.Read(System.Text.Encoding.UTF8.GetBytes(root.ToJsonString()), "tokenizer.json")).Decode([3]);
                }
                catch (UserErrorException)
                {
                    refused++;
                }
            }
        }
        Assert.True(places > 50 && refused > places * 4, $"{places} places, {refused} refused");
    }

    private static List<JsonNode> Places(JsonNode node)
    {
        IEnumerable<JsonNode?> below = node switch { JsonObject map => map.Select(entry => entry.Value), JsonArray list => list, _ => [] };
        return [.. below.OfType<JsonNode>().SelectMany(child => Places(child).Prepend(child))];
    }

    private static string ByDefinition(string text, string[] merges, Dictionary<string, int> vocabulary)
    {
        List<string> symbols = [];
        foreach (char c in text)
        {
            if (vocabulary.ContainsKey(c.ToString())) symbols.Add(c.ToString());
            else if (symbols.Count == 0 || symbols[^1] != "<unk>") symbols.Add("<unk>");
        }
        while (true)
        {
            (int Rank, int At)[] places = [.. Enumerable.Range(0, Math.Max(0, symbols.Count - 1)).Select(i => (Array.IndexOf(merges, $"{symbols[i]} {symbols[i + 1]}"), i)).Where(place => place.Item1 >= 0)];
            if (places.Length == 0) return string.Join('|', symbols);
            int at = places.Min().At;
            symbols[at] += symbols[at + 1];
            symbols.RemoveAt(at + 1);
        }
    }

    private static string Cutting(string pattern) => new JsonObject
    {
        ["type"] = "Sequence",
        ["pretokenizers"] = new JsonArray(
            new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern }, ["behavior"] = "Isolated", ["invert"] = false },
            JsonNode.Parse(ByteLevelOnly)),
    }.ToJsonString();
}

using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CsCheck;
using Microsoft.ML.Tokenizers;
using Monosemantic.Runtime;
using Monosemantic.Text;
using Tokenizer = Monosemantic.Text.Tokenizer;

namespace Monosemantic.Tests.Text;

public sealed class TokenizerTests : IDisposable
{
    private const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    // Trained on a text with letters, digits, spaces, a character of 2, 3 and 4 bytes each, so that merges cut and join characters.
    private static readonly TokenizerFile Small = BytePairTrainer.Train(
        ["the then there's a  thing, naïve 日本日本 🦙🦙 42 4242\n\n  the the  'tis  don't ... ünder ünder"], 300);

    private static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.String[Gen.Char["abth e 'sdlrvm\n\t42.,!<|>endoftext日ïü\u00a0\u2003½"]],
        Gen.Int[0, 0x10FFFF].Where(Rune.IsValid).Select(code => new Rune(code).ToString()).Array[0, 30].Select(string.Concat));

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Ids_are_those_of_gpt2_on_the_published_vectors()
    {
        // The file also lists runs of spaces as tokens of their own, which GPT-2 has not and the vectors do not use.
        JsonNode json = JsonNode.Parse(File.ReadAllText(SharedData.Require("tokenizers", "gpt2_tokenizer.json")))!;
        json["added_tokens"] = new JsonArray(json["added_tokens"]![0]!.DeepClone());
        Tokenizer tokenizer = Load(json);
        string[] texts = File.ReadAllText(SharedData.Require("tokenizers", "ggml-vocab-gpt-2.gguf.inp")).Split("\n__ggml_vocab_test__\n");
        string[] ids = File.ReadAllText(SharedData.Require("tokenizers", "ggml-vocab-gpt-2.gguf.out")).Split('\n');

        Assert.Equal(50257, tokenizer.VocabularySize);
        Assert.Equal(50256, tokenizer.EndOfText);
        Assert.True(texts.Length > 40);
        for (int i = 0; i < texts.Length; i++)
        {
            int[] expected = [.. ids[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
            Assert.Equal(expected, tokenizer.Encode(texts[i]));
            Assert.Equal(texts[i], tokenizer.Decode(expected));
        }
    }

    [Fact]
    public void Added_tokens_that_are_ordinary_text_are_matched_longest_first()
    {
        Tokenizer tokenizer = Tokenizer.Load(SharedData.Require("tokenizers", "gpt2_tokenizer.json"));

        Assert.Equal([50256], tokenizer.SpecialTokens);
        Assert.Equal(50295, tokenizer.VocabularySize);
        Assert.Equal([50284, 15496], tokenizer.Encode("    Hello"));
        Assert.Equal([50257, 50283, 15496], tokenizer.Encode(new string(' ', 36) + "Hello"));
        Assert.Equal("    Hello", tokenizer.Decode([50284, 15496]));
    }

    [Fact]
    public void Merging_agrees_with_another_implementation()
    {
        Dictionary<string, int> vocabulary = Small.Vocabulary.ToDictionary(token => token.Text, token => token.Id);
        BpeTokenizer other = BpeTokenizer.Create(new BpeOptions(vocabulary)
        {
            Merges = Small.Merges.Select(merge => $"{merge.Left} {merge.Right}"),
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(new Regex(Pattern), null),
        });
        Tokenizer tokenizer = Tokenizer.Create(Small);

        // The other one's pattern takes letters beyond U+FFFF for punctuation.
        AnyText.Where(text => !text.Any(char.IsSurrogate)).Sample(text => Assert.Equal(other.EncodeToIds(text), tokenizer.Encode(text)));
    }

    [Fact]
    public void Pre_tokens_are_the_pattern_s_matches()
    {
        var regex = new Regex(Pattern);
        AnyText.Where(text => !text.Any(char.IsSurrogate)).Sample(text =>
            Assert.Equal(regex.Matches(text).Select(match => match.Value), PreTokens(text)));
    }

    [Fact]
    public void Letters_beyond_the_basic_plane_are_letters()
    {
        Assert.Equal(["𝐀𝐁c", "!", " 𝟙2", " 🦙"], PreTokens("𝐀𝐁c! 𝟙2 🦙"));
    }

    [Fact]
    public void Any_text_decodes_to_itself()
    {
        Tokenizer tokenizer = Tokenizer.Create(Small);
        AnyText.Sample(text => Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text))));
    }

    [Fact]
    public void Half_a_surrogate_pair_becomes_the_replacement_character()
    {
        Tokenizer tokenizer = Tokenizer.Create(Small);
        Assert.Equal("a\uFFFDb", tokenizer.Decode(tokenizer.Encode("a\uD83Eb")));
        Assert.Equal(3, tokenizer.EncodeWithOffsets("a\uD83Eb")[^1].End);
    }

    [Fact]
    public void Bytes_of_any_ids_join_to_what_is_decoded()
    {
        Tokenizer tokenizer = Tokenizer.Create(Small);
        Gen.Int[0, tokenizer.VocabularySize - 1].Array.Sample(ids =>
            Assert.Equal(Encoding.UTF8.GetString([.. ids.SelectMany(id => tokenizer.Bytes(id).ToArray())]), tokenizer.Decode(ids)));
    }

    [Fact]
    public void Offsets_name_the_smallest_range_of_characters_that_holds_the_token()
    {
        Tokenizer tokenizer = Tokenizer.Create(Small);
        AnyText.Sample(text =>
        {
            var spans = tokenizer.EncodeWithOffsets(text);
            Assert.Equal(tokenizer.Encode(text), spans.Select(span => span.Token));
            int first = 0;
            foreach (TokenSpan span in spans)
            {
                int last = first + tokenizer.Bytes(span.Token).Length - 1;
                Assert.Equal((CharacterAt(text, first).Start, CharacterAt(text, last).End), (span.Start, span.End));
                first = last + 1;
            }
        });
    }

    [Fact]
    public void The_text_of_a_special_token_stays_text_unless_asked_for()
    {
        Tokenizer tokenizer = Tokenizer.Create(Small);
        const string Text = "the<|endoftext|>the";

        Assert.DoesNotContain(299, tokenizer.Encode(Text));
        Assert.Equal(Text, tokenizer.Decode(tokenizer.Encode(Text)));
        int[] parsed = tokenizer.Encode(Text, parseSpecialTokens: true);
        Assert.Equal([.. tokenizer.Encode("the"), 299, .. tokenizer.Encode("the")], parsed);
        Assert.Equal(new TokenSpan(299, 3, 16), tokenizer.EncodeWithOffsets(Text, parseSpecialTokens: true).Single(span => span.Token == 299));
        Assert.Equal(Text, tokenizer.Decode(parsed));
    }

    [Fact]
    public void Display_shows_loose_bytes_and_drops_nothing()
    {
        Tokenizer tokenizer = Tokenizer.Create(Small);
        int Byte(int value) => ByteAlphabet.Order.IndexOf((byte)value);

        Assert.Equal("<0xE2>", tokenizer.Display(Byte(0xE2)));
        Assert.Equal("a", tokenizer.Display(Byte('a')));
        Assert.Equal(" ", tokenizer.Display(Byte(' ')));
        Assert.Equal("<|endoftext|>", tokenizer.Display(299));
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            byte[] back = [.. Regex.Matches(tokenizer.Display(id), "<0x(..)>|[\\s\\S]").SelectMany(match =>
                match.Groups[1].Success ? [Convert.ToByte(match.Groups[1].Value, 16)] : Encoding.UTF8.GetBytes(match.Value))];
            if (!tokenizer.Display(id).Any(char.IsSurrogate)) Assert.Equal(tokenizer.Bytes(id).ToArray(), back);
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(300)]
    public void An_id_without_a_token_is_refused(int id)
    {
        Tokenizer tokenizer = Tokenizer.Create(Small);
        Assert.Contains("0..299", Assert.Throws<UserErrorException>(() => tokenizer.Decode([id])).Message);
        Assert.Contains($"{id}", Assert.Throws<UserErrorException>(() => tokenizer.Display(id)).Message);
    }

    [Fact]
    public void A_word_of_a_hundred_thousand_letters_is_encoded()
    {
        Tokenizer tokenizer = Tokenizer.Create(Small);
        string text = string.Concat(Enumerable.Repeat("then", 25_000));
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
    }

    [Fact]
    public void Documents_keep_their_order_and_number()
    {
        Tokenizer tokenizer = Tokenizer.Create(Small);
        Document[] documents = [.. Enumerable.Range(0, 3000).Select(i => new Document($"{i}", $"the {i} then"))];

        TokenizedDocument[] encoded = [.. CorpusTokenizer.TokenizeAll(documents, tokenizer, TestContext.Current.CancellationToken)];

        Assert.Equal(Enumerable.Range(0, 3000), encoded.Select(document => document.Index));
        Assert.All(encoded, document => Assert.Equal(documents[document.Index].Text, tokenizer.Decode(document.Tokens)));
    }

    private Tokenizer Load(JsonNode json)
    {
        string path = Path.Combine(folder, TokenizerFile.FileName);
        File.WriteAllText(path, json.ToJsonString());
        return Tokenizer.Load(folder);
    }

    private static List<string> PreTokens(string text)
    {
        var parts = new List<string>();
        for (int at = 0; at < text.Length; at += parts[^1].Length) parts.Add(text.Substring(at, Gpt2PreTokenizer.NextLength(text.AsSpan(at))));
        return parts;
    }

    private static (int Start, int End) CharacterAt(string text, int byteIndex)
    {
        int start = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (byteIndex < rune.Utf8SequenceLength) return (start, start + rune.Utf16SequenceLength);
            byteIndex -= rune.Utf8SequenceLength;
            start += rune.Utf16SequenceLength;
        }
        throw new ArgumentOutOfRangeException(nameof(byteIndex));
    }
}

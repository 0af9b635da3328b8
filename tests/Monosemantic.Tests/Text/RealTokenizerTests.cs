using System.Text;
using System.Text.Json;
using CsCheck;
using Microsoft.ML.Tokenizers;
using Monosemantic.Text;
using Tokenizer = Monosemantic.Text.Tokenizer;

namespace Monosemantic.Tests.Text;

/// <summary>The tokenizers that models were published with, on the vectors and texts of the shared data.</summary>
public sealed class RealTokenizerTests
{
    private const string Separator = "\n__ggml_vocab_test__\n";

    public static TheoryData<string> Files => ["gpt2_tokenizer.json", "gpt2_encoder.json", "gptneox_20B_tokenizer.json", "llama2_tokenizer.model", "../stories260K/tok512.bin"];

    [Theory]
    [InlineData("gpt2_encoder.json", "ggml-vocab-gpt-2.gguf")]
    [InlineData("gpt2_vocab.bpe", "ggml-vocab-gpt-2.gguf")]
    [InlineData("llama2_tokenizer.model", "ggml-vocab-llama-spm.gguf")]
    public void Ids_are_those_of_the_published_vectors(string file, string vectors)
    {
        Tokenizer tokenizer = Load(file);
        string[] texts = File.ReadAllText(SharedData.Require("tokenizers", $"{vectors}.inp")).Split(Separator);
        string[] ids = File.ReadAllText(SharedData.Require("tokenizers", $"{vectors}.out")).Split('\n');
        Assert.True(texts.Length > 40);
        for (int i = 0; i < texts.Length; i++)
        {
            int[] expected = [.. ids[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
            Assert.Equal(expected, tokenizer.Encode(texts[i]));
            Assert.Equal(expected, tokenizer.EncodeWithOffsets(texts[i]).Select(span => span.Token));
            Assert.Equal(texts[i], tokenizer.Decode(expected));
        }
    }

    [Fact]
    public void The_small_stories_model_s_tokenizer_gives_the_recorded_ids()
    {
        JsonElement golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Require("stories260K", "golden_stories260K.json"))).RootElement;
        Tokenizer tokenizer = Tokenizer.Load(SharedData.Require("stories260K"));
        Assert.Equal(golden.GetProperty("token_ids").Deserialize<int[]>(), tokenizer.Encode(golden.GetProperty("prompt").GetString()!, new EncodingPolicy { Add = AddedMarks.Bos }));
        foreach (JsonElement top in golden.GetProperty("top5_last").EnumerateArray()) Assert.Equal(top[1].GetString(), tokenizer.Display(top[0].GetInt32()));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_corpus_comes_back_whole_and_its_tokens_cover_it(string file)
    {
        Tokenizer tokenizer = Load(file);
        foreach (string path in Directory.EnumerateFiles(SharedData.Require("corpora")))
        {
            string text = File.ReadAllText(path);
            int[] ids = tokenizer.Encode(text);
            Assert.True(text == tokenizer.Decode(ids), path);
            Assert.Equal(Encoding.UTF8.GetBytes(text), tokenizer.DecodeBytes(ids));
            int covered = 0;
            foreach (TokenSpan span in tokenizer.EncodeWithOffsets(text))
            {
                Assert.InRange(span.Start, 0, covered);
                covered = Math.Max(covered, span.End);
            }
            Assert.Equal(text.Length, covered);
        }
    }

    [Fact]
    public void Characters_of_the_corpora_come_back_whole()
    {
        string[] texts = [.. Directory.EnumerateFiles(SharedData.Require("corpora")).Select(File.ReadAllText)];
        Tokenizer tokenizer = Tokenizer.Create(CharacterVocabulary.FromTexts(texts));
        Assert.All(texts, text => Assert.True(text == tokenizer.Decode(tokenizer.Encode(text))));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Random_text_comes_back_whole(string file)
    {
        Tokenizer tokenizer = Load(file);
        // What these tokenizers themselves do not keep: other forms of a character, and SentencePiece's own mark.
        bool composes = file.Contains("neox", StringComparison.Ordinal), marks = file.EndsWith(".model", StringComparison.Ordinal);
        var form = new Monosemantic.Text.Tokenizers.UnicodeForm(compose: true, compatibility: false);
        JsonTokenizer.AnyText.Sample(text =>
        {
            string kept = composes ? form.Apply(text) : marks ? text.Replace('▁', ' ') : text;
            Assert.Equal(kept, tokenizer.Decode(tokenizer.Encode(text)));
            Assert.Equal(tokenizer.Encode(text), tokenizer.EncodeWithOffsets(text).Select(span => span.Token));
        });
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Half_a_surrogate_pair_is_the_replacement_character(string file)
    {
        Tokenizer tokenizer = Load(file);
        Assert.Equal(tokenizer.Encode("a\uFFFDb\uFFFD"), tokenizer.Encode("a\uD83Eb\uDD99"));
        Assert.Equal("a\uFFFDb\uFFFD", tokenizer.Decode(tokenizer.Encode("a\uD83Eb\uDD99")));
        Assert.Equal(4, tokenizer.EncodeWithOffsets("a\uD83Eb\uDD99")[^1].End);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Bytes_of_any_ids_are_never_dropped(string file)
    {
        Tokenizer tokenizer = Load(file);
        Gen.Int[0, tokenizer.VocabularySize - 1].Array[1, 20].Sample(ids =>
        {
            byte[] joined = [.. ids.SelectMany(id => tokenizer.Bytes(id).ToArray())], decoded = tokenizer.DecodeBytes(ids);
            // Only spaces that encoding would put back may be missing.
            Assert.Equal(joined.Where(value => value != ' '), decoded.Where(value => value != ' '));
            Assert.Equal(Encoding.UTF8.GetString(decoded), tokenizer.Decode(ids));
        });
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Ids_of_a_document_do_not_depend_on_the_documents_around_it(string file)
    {
        Tokenizer tokenizer = Load(file);
        Document[] documents = [.. Corpus.Read(new CorpusOptions { Paths = [SharedData.Require("corpora", "tinyshakespeare.txt")] }, cancellation: TestContext.Current.CancellationToken).Take(500)];
        TokenizedDocument[] together = [.. CorpusTokenizer.TokenizeAll(documents, tokenizer, TestContext.Current.CancellationToken)];
        Tokenizer fresh = Load(file);
        foreach (TokenizedDocument document in together.Reverse()) Assert.Equal(fresh.Encode(documents[document.Index].Text), document.Tokens);
    }

    [Fact]
    public void Llama_s_ids_are_those_of_another_implementation()
    {
        // It gives other ids than SentencePiece for "!!!!!!" and runs of dashes; this text has none that matter.
        using FileStream stream = File.OpenRead(SharedData.Require("tokenizers", "llama2_tokenizer.model"));
        var other = LlamaTokenizer.Create(stream, addBeginOfSentence: false);
        string text = File.ReadAllText(SharedData.Require("corpora", "tinyshakespeare.txt"))[..300_000];
        Assert.Equal(other.EncodeToIds(text), Load("llama2_tokenizer.model").Encode(text));
    }

    [Fact]
    public void Gpt_2_s_ids_are_those_of_another_implementation()
    {
        var ids = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(SharedData.Require("tokenizers", "gpt2_encoder.json")))!;
        var lines = File.ReadLines(SharedData.Require("tokenizers", "gpt2_vocab.bpe")).Skip(1).Where(line => line.Length > 0);
        var other = BpeTokenizer.Create(new BpeOptions(ids) { Merges = lines, ByteLevel = true, PreTokenizer = new RegexPreTokenizer(new(Gpt2PreTokenizer.Pattern), null) });
        string text = File.ReadAllText(SharedData.Require("corpora", "wikitext2_test.txt"))[..400_000];
        Assert.Equal(other.EncodeToIds(text), Load("gpt2_encoder.json").Encode(text));
    }

    [Fact]
    public void Gpt_neox_s_ids_are_those_of_another_implementation()
    {
        JsonElement model = JsonDocument.Parse(File.ReadAllBytes(SharedData.Require("tokenizers", "gptneox_20B_tokenizer.json"))).RootElement.GetProperty("model");
        var other = BpeTokenizer.Create(new BpeOptions(model.GetProperty("vocab").Deserialize<Dictionary<string, int>>()!)
        {
            Merges = model.GetProperty("merges").Deserialize<string[]>(),
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(new(Gpt2PreTokenizer.Pattern), null),
        });
        // Runs of spaces are tokens that are added to the model's.
        string text = string.Join(' ', File.ReadAllText(SharedData.Require("corpora", "wikitext2_test.txt"))[..400_000].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Tokenizer tokenizer = Load("gptneox_20B_tokenizer.json");
        Assert.Equal(other.EncodeToIds(text), tokenizer.Encode(text));
        Assert.Equal([50276, 34], tokenizer.Encode("  A"));
        // An id of 0 is an id.
        Assert.Equal([0, 34], tokenizer.Encode("A", new EncodingPolicy { Add = AddedMarks.Bos }));
    }

    private static Tokenizer Load(string file) => Tokenizer.Load(SharedData.Require(["tokenizers", .. file.Split('/')]));
}

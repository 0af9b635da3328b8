using System.Text;
using System.Text.Json.Nodes;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Text;

public sealed class TokenizerFileTests : IDisposable
{
    private static readonly TokenizerFile Small = BytePairTrainer.Train(["the then there"], 260);

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("version", "\"2.0\"", "version")]
    [InlineData("normalizer", """{"type":"NFC"}""", "normalizer is NFC")]
    [InlineData("pre_tokenizer", """{"type":"Metaspace","replacement":"_"}""", "pre_tokenizer is Metaspace")]
    [InlineData("pre_tokenizer", "null", "pre_tokenizer is null")]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":true}""", "add_prefix_space is true")]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}""", "use_regex is false")]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":false,"new_key":1}""", "new_key")]
    [InlineData("post_processor", """{"type":"TemplateProcessing"}""", "post_processor is TemplateProcessing")]
    [InlineData("decoder", "null", "decoder is null")]
    [InlineData("decoder", "7", "decoder is number")]
    [InlineData("model", """{"type":"Unigram","vocab":[]}""", "model.type is Unigram")]
    [InlineData("model", """{"type":"BPE","vocab":{}}""", "merges")]
    [InlineData("model", """{"type":"BPE","vocab":{},"merges":{}}""", "model.merges is not a list")]
    [InlineData("model", """{"type":"BPE","vocab":{},"merges":[],"dropout":0.1}""", "model.dropout is 0.1")]
    [InlineData("model", """{"type":"BPE","vocab":{},"merges":[],"end_of_word_suffix":"</w>"}""", "end_of_word_suffix")]
    [InlineData("model", """{"type":"BPE","vocab":{},"merges":[],"continuing_subword_prefix":"##"}""", "continuing_subword_prefix")]
    [InlineData("model", """{"type":"BPE","vocab":{},"merges":[],"ignore_merges":true}""", "ignore_merges")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0},"merges":[]}""", "byte 0x00")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":-1},"merges":[]}""", "id -1")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":2000000000},"merges":[]}""", "id 2000000000")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}""", "id 0 twice")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}""", "model")]
    [InlineData("added_tokens", """[{"id":259,"content":"<|endoftext|>","lstrip":true}]""", "lstrip")]
    [InlineData("added_tokens", """[{"id":258,"content":"<|endoftext|>"}]""", "id 258")]
    [InlineData("added_tokens", """[{"id":5,"content":"new"}]""", "id 5")]
    [InlineData("added_tokens", """[{"id":300,"content":""}]""", "empty")]
    [InlineData("added_tokens", """[{"id":300,"content":"x"},{"id":301,"content":"x"}]""", "twice")]
    [InlineData("extra", "1", "extra")]
    public void What_is_not_understood_is_refused_by_name(string field, string value, string named)
    {
        // By text, since some of the values are what a JSON tree would not hold.
        JsonNode json = JsonNode.Parse(Small.ToJson())!;
        json[field] = "PLACEHOLDER";
        UserErrorException error = Assert.Throws<UserErrorException>(() => Load(json.ToJsonString().Replace("\"PLACEHOLDER\"", value)));
        Assert.Contains(named, error.Message);
        Assert.Contains(TokenizerFile.FileName, error.Message);
        Assert.NotEmpty(error.Hint);
    }

    [Theory]
    [InlineData("\"t zz\"", "model.merges[3]")]
    [InlineData("\"t h e\"", "model.merges[3]")]
    [InlineData("[\"t\"]", "model.merges[3]")]
    [InlineData("[\"t h\", \"e\"]", "model.merges[3]")]
    [InlineData("[\"t\", 7]", "model.merges[3]")]
    [InlineData("\"h e\"", "twice")]
    public void A_merge_that_makes_no_sense_is_refused(string merge, string named)
    {
        JsonNode json = JsonNode.Parse(Small.ToJson())!;
        json["model"]!["merges"]!.AsArray().Add(JsonNode.Parse(merge));
        Assert.Contains(named, Assert.Throws<UserErrorException>(() => Load(json.ToJsonString())).Message);
    }

    [Fact]
    public void All_problems_are_told_at_once()
    {
        JsonNode json = JsonNode.Parse(Small.ToJson())!;
        json["normalizer"] = new JsonObject { ["type"] = "NFC" };
        json["decoder"] = null;
        string message = Assert.Throws<UserErrorException>(() => Load(json.ToJsonString())).Message;
        Assert.Contains("normalizer", message);
        Assert.Contains("decoder", message);
    }

    [Fact]
    public void Merges_may_be_pairs_and_the_model_untyped()
    {
        JsonNode json = JsonNode.Parse(Small.ToJson())!;
        json["model"]!.AsObject().Remove("type");
        json["model"]!["merges"] = new JsonArray([.. Small.Merges.Select(merge => new JsonArray(merge.Left, merge.Right))]);
        json["truncation"] = new JsonObject { ["max_length"] = 3 };
        Assert.Equal(Tokenizer.Create(Small).Encode("the then there the"), Load(json.ToJsonString()).Encode("the then there the"));
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        byte[] whole = Encoding.UTF8.GetBytes(Small.ToJson().TrimEnd());
        for (int length = 0; length < whole.Length; length += 1 + length / 50)
        {
            Assert.Throws<UserErrorException>(() => TokenizerFile.Parse(whole.AsSpan(0, length), "cut"));
        }
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        Assert.Contains(Path.Combine(folder, "tokenizer.json"), Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder)).Message);
        Assert.Contains("nowhere", Assert.Throws<UserErrorException>(() => Tokenizer.Load(Path.Combine(folder, "nowhere"))).Message);
    }

    [Fact]
    public void A_tokenizer_of_another_kind_is_refused_rather_than_guessed()
    {
        string path = SharedData.Require("tokenizers", "gptneox_20B_tokenizer.json");
        Assert.Contains("normalizer is NFC", Assert.Throws<UserErrorException>(() => Tokenizer.Load(path)).Message);
    }

    [Fact]
    public void The_byte_alphabet_is_a_bijection_in_the_published_order()
    {
        Assert.Equal("ĠĊĉ", ByteAlphabet.Write(" \n\t"u8));
        Assert.Equal(256, ByteAlphabet.Order.Select(ByteAlphabet.ToCharacter).Distinct().Count());
        Assert.Equal("!\"#"u8.ToArray(), ByteAlphabet.Order.Take(3));
        byte[] all = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];
        Assert.Equal(all, ByteAlphabet.Read(ByteAlphabet.Write(all)));
        Assert.Equal("a b"u8.ToArray(), ByteAlphabet.Read("a b"));
    }

    private Tokenizer Load(string json)
    {
        string path = Path.Combine(folder, TokenizerFile.FileName);
        File.WriteAllText(path, json);
        return Tokenizer.Load(path);
    }
}

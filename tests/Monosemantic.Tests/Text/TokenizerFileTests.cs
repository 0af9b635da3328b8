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
    [InlineData("normalizer", """{"type":"BertNormalizer"}""", "normalizer is BertNormalizer")]
    [InlineData("normalizer", """{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Nmt"}]}""", "normalizer.normalizers[1] is Nmt")]
    [InlineData("normalizer", """{"type":"NFC","extra":1}""", "extra")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"[a&&b]"},"content":""}""", "&&")]
    [InlineData("pre_tokenizer", """{"type":"BertPreTokenizer"}""", "pre_tokenizer is BertPreTokenizer")]
    [InlineData("pre_tokenizer", """{"type":"Metaspace","replacement":"_"}""", "pre_tokenizer is Metaspace")]
    [InlineData("pre_tokenizer", "null", "pre_tokenizer is null")]
    [InlineData("pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}""", "pre_tokenizer.pretokenizers[1] is Digits, after ByteLevel")]
    [InlineData("pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated"},{"type":"ByteLevel"}]}""", "\\w")]
    [InlineData("pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a"},"behavior":"Sideways"},{"type":"ByteLevel"}]}""", "Sideways")]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":false,"new_key":1}""", "new_key")]
    [InlineData("post_processor", """{"type":"RobertaProcessing"}""", "post_processor is RobertaProcessing")]
    [InlineData("post_processor", """{"type":"TemplateProcessing"}""", "single")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B","type_id":0}}],"special_tokens":{}}""", "post_processor.single")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"x":{"id":"x","ids":[999],"tokens":["x"]}}}""", "999")]
    [InlineData("decoder", """{"type":"WordPiece","prefix":"##","cleanup":true}""", "decoder is WordPiece")]
    [InlineData("decoder", "7", "decoder is number")]
    [InlineData("model", """{"type":"Unigram","vocab":[]}""", "model.type is Unigram")]
    [InlineData("model", """{"type":"WordPiece","vocab":{}}""", "model.type is WordPiece")]
    [InlineData("model", """{"type":"BPE","vocab":{}}""", "merges")]
    [InlineData("model", """{"type":"BPE","vocab":{},"merges":{}}""", "model.merges is not a list")]
    [InlineData("model", """{"type":"BPE","vocab":{},"merges":[],"dropout":0.1}""", "model.dropout is 0.1")]
    [InlineData("model", """{"type":"BPE","vocab":{},"merges":[],"end_of_word_suffix":"</w>"}""", "end_of_word_suffix")]
    [InlineData("model", """{"type":"BPE","vocab":{},"merges":[],"continuing_subword_prefix":"##"}""", "continuing_subword_prefix")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":-1},"merges":[]}""", "id -1")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":2000000000},"merges":[]}""", "id 2000000000")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}""", "id 0 twice")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}""", "model")]
    [InlineData("added_tokens", """[{"id":259,"content":"<|endoftext|>","sideways":true}]""", "sideways")]
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
    [InlineData("\"t zz\"", "merges[3]")]
    [InlineData("\"t h e\"", "model.merges[3]")]
    [InlineData("[\"t\"]", "model.merges[3]")]
    [InlineData("[\"t h\", \"e\"]", "merges[3]")]
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
        json["normalizer"] = new JsonObject { ["type"] = "Nmt" };
        json["decoder"] = new JsonObject { ["type"] = "CTC" };
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
        Assert.Contains($"{folder} holds no tokenizer", Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder)).Message);
        Assert.Contains("nowhere", Assert.Throws<UserErrorException>(() => Tokenizer.Load(Path.Combine(folder, "nowhere"))).Message);
        Assert.Contains(Path.Combine(folder, "tokenizer.json"), Assert.Throws<UserErrorException>(() => TokenizerFile.Load(folder)).Message);
    }

    [Fact]
    public void A_layout_other_than_gpt2_s_is_no_file_of_this_tool()
    {
        JsonNode json = JsonNode.Parse(Small.ToJson())!;
        json["normalizer"] = new JsonObject { ["type"] = "NFC" };
        json["pre_tokenizer"]!["add_prefix_space"] = true;
        json["model"]!["ignore_merges"] = true;
        string message = Assert.Throws<UserErrorException>(() => TokenizerFile.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()), "here")).Message;
        Assert.All(["normalizer", "pre_tokenizer", "ignore_merges"], field => Assert.Contains(field, message));
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

using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Monosemantic.Text;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Tests.Text;

/// <summary>Small <c>tokenizer.json</c> texts, by their parts.</summary>
internal static class JsonTokenizer
{
    internal const string ByteLevel = """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}""";
    internal const string ByteLevelOnly = """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}""";
    internal const string LlamaNormalizer = """{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}""";
    internal const string LlamaDecoder = """{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}""";

    /// <summary>A byte-pair model; ids are the places in the vocabulary.</summary>
    internal static JsonObject Model(IEnumerable<string> vocabulary, string[] merges, string further = "{}")
    {
        var model = (JsonObject)JsonNode.Parse(further)!;
        model["type"] = "BPE";
        model["vocab"] = new JsonObject(vocabulary.Select((piece, id) => KeyValuePair.Create(piece, (JsonNode?)JsonValue.Create(id))));
        model["merges"] = new JsonArray([.. merges.Select(merge => (JsonNode?)JsonValue.Create(merge))]);
        return model;
    }

    /// <summary>The pieces of a model with byte fallback: three marks, the bytes, and others.</summary>
    internal static string[] WithBytes(params string[] others) =>
        ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>"), .. others];

    internal static byte[] Json(JsonObject model, string normalizer = "null", string cutting = "null", string decoder = "null", string post = "null", string added = "[]") =>
        JsonSerializer.SerializeToUtf8Bytes(new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = JsonNode.Parse(added),
            ["normalizer"] = JsonNode.Parse(normalizer),
            ["pre_tokenizer"] = JsonNode.Parse(cutting),
            ["post_processor"] = JsonNode.Parse(post),
            ["decoder"] = JsonNode.Parse(decoder),
            ["model"] = model,
        });

    internal static Tokenizer Create(JsonObject model, string normalizer = "null", string cutting = "null", string decoder = "null", string post = "null", string added = "[]") =>
        new(HuggingFaceFormat.Read(Json(model, normalizer, cutting, decoder, post, added), "tokenizer.json"));

    /// <summary>The pieces of an encoding, with a bar between them.</summary>
    internal static string Pieces(this Tokenizer tokenizer, string text, bool special = false) =>
        string.Join('|', tokenizer.Encode(text, special).Select(tokenizer.Piece));

    /// <summary>The stretches of a text that its tokens name, with a bar between them.</summary>
    internal static string Stretches(this Tokenizer tokenizer, string text, bool special = false) =>
        string.Join('|', tokenizer.EncodeWithOffsets(text, special).Select(span => text[span.Start..span.End]));

    /// <summary>Text with many kinds of characters, whole ones only.</summary>
    internal static Gen<string> AnyText { get; } = Gen.OneOf(
        Gen.String[Gen.Char["abth e 'sdlrvmST\r\n\t42.,!<|>endoftext日ïü\u00a0\u2003½\u0301"]],
        Gen.Int[0, 0x10FFFF].Where(Rune.IsValid).Select(code => new Rune(code).ToString()).Array[0, 30].Select(string.Concat));
}

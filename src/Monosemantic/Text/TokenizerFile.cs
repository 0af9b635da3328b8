using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Text.Tokenizers;

namespace Monosemantic.Text;

/// <summary>One entry of a vocabulary.</summary>
/// <param name="Text">The token as the vocabulary writes it, in the <see cref="ByteAlphabet"/>.</param>
/// <param name="Id">Its id.</param>
public sealed record VocabularyToken(string Text, int Id);

/// <summary>One merge: where the two tokens stand side by side, they become the token that joins their texts.</summary>
/// <param name="Left">The left token as the vocabulary writes it.</param>
/// <param name="Right">The right token as the vocabulary writes it.</param>
public sealed record MergeRule(string Left, string Right);

/// <summary>
/// What a byte-level byte-pair <c>tokenizer.json</c> says, in the layout that GPT-2's has and that this tool writes: GPT-2's
/// pre-tokenizer without a prefix space, no normalizer, byte-level decoder. <see cref="Tokenizer.Load"/> reads other layouts too.
/// Source of the format: Hugging Face tokenizers.
/// </summary>
public sealed record TokenizerFile
{
    /// <summary>The name of the file in a model's folder.</summary>
    public const string FileName = "tokenizer.json";

    /// <summary>The text of the special token that ends, separates and begins documents.</summary>
    public const string EndOfText = "<|endoftext|>";

    /// <summary>The vocabulary, ascending by id.</summary>
    public required ImmutableArray<VocabularyToken> Vocabulary { get; init; }

    /// <summary>The merges; the earlier one is applied first.</summary>
    public required ImmutableArray<MergeRule> Merges { get; init; }

    /// <summary>Tokens that are matched as a whole, ascending by id.</summary>
    public required ImmutableArray<AddedToken> AddedTokens { get; init; }

    /// <summary>Reads a <c>tokenizer.json</c>.</summary>
    /// <param name="path">The file, or the folder that holds it.</param>
    /// <exception cref="UserErrorException">It is missing, not JSON, or of another layout.</exception>
    public static TokenizerFile Load(string path)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, FileName) : path;
        return Parse(TokenizerFormats.ReadBytes(file), file);
    }

    /// <summary>Reads the text of a <c>tokenizer.json</c>.</summary>
    /// <param name="utf8">The JSON text.</param>
    /// <param name="source">The name to give in errors, usually the path.</param>
    /// <exception cref="UserErrorException">It is not JSON, or of another layout.</exception>
    public static TokenizerFile Parse(ReadOnlySpan<byte> utf8, string source) => TokenizerJson.Parse(utf8, source).ToFile(source);

    /// <summary>The text of the <c>tokenizer.json</c>; the same on every machine.</summary>
    public string ToJson() => JsonFile.ToText(TokenizerJson.From(this));

    /// <summary>Writes the <c>tokenizer.json</c>, whole or not at all.</summary>
    /// <param name="path">The file to make or replace.</param>
    public void Save(string path) => AtomicFile.WriteText(path, ToJson());
}

using System.Collections.Immutable;
using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>A file format of tokenizers.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="FileNames">The names that its file has in a model's folder, the first one preferred; <c>*</c> stands for anything.</param>
/// <param name="Recognises">Whether a file is of this format, from its path and bytes; a damaged one may be too.</param>
/// <param name="Read">Reads a file.</param>
internal sealed record TokenizerFormat(
    string Name, ImmutableArray<string> FileNames, Func<TokenizerSource, bool> Recognises, Func<TokenizerSource, TokenizerParts> Read);

/// <summary>A file to read a tokenizer from.</summary>
/// <param name="Path">The file.</param>
/// <param name="Bytes">What it holds.</param>
internal sealed record TokenizerSource(string Path, byte[] Bytes)
{
    private readonly Lazy<ImmutableArray<string>> keys = new(() => TopLevelKeys(Bytes));

    /// <summary>The keys of the JSON object that the file holds, as far as it can be read; empty where it holds something else.</summary>
    public ImmutableArray<string> Keys => keys.Value;

    /// <summary>The folder that the file is in.</summary>
    public string Folder => System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;

    private static ImmutableArray<string> TopLevelKeys(byte[] bytes)
    {
        var keys = ImmutableArray.CreateBuilder<string>();
        try
        {
            var reader = new Utf8JsonReader(bytes.AsSpan(Utf8Lines.ByteOrderMark(bytes)));
            while (reader.Read())
            {
                if (reader.CurrentDepth == 0 && reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.EndObject)) return [];
                if (reader.CurrentDepth == 1 && reader.TokenType == JsonTokenType.PropertyName) keys.Add(reader.GetString()!);
            }
        }
        catch (JsonException)
        {
            // What was read tells the format; its reader says what is wrong.
        }
        return keys.ToImmutable();
    }
}

/// <summary>Every format, and which one a path is of.</summary>
internal static class TokenizerFormats
{
    private const long MaxBytes = 256L << 20;

    /// <summary>Every format, one line each; where a folder holds several, the first one counts.</summary>
    public static ImmutableArray<TokenizerFormat> All { get; } =
    [
        HuggingFaceFormat.Format,
        VocabularyAndMerges.Format,
        SentencePieceFormat.Format,
        CharacterVocabulary.Format,
        Llama2cVocabulary.Format,
    ];

    private static string Known => string.Join("; ", All.Select(format => $"{format.Name} ({format.FileNames[0]})"));

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="path">A file, or the model folder that holds one.</param>
    /// <exception cref="UserErrorException">There is none, or it is damaged or not understood.</exception>
    public static TokenizerParts Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path)) return ReadFolder(path);
        var source = new TokenizerSource(path, ReadBytes(path));
        TokenizerFormat format = All.FirstOrDefault(candidate => candidate.Recognises(source))
            ?? throw new UserErrorException($"{path} is not a tokenizer of a known format", $"known are: {Known}");
        return format.Read(source);
    }

    /// <summary>A file's bytes.</summary>
    /// <exception cref="UserErrorException">It is missing, too large, or may not be read.</exception>
    public static byte[] ReadBytes(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxBytes } file)
            {
                throw new UserErrorException($"{path} has {file.Length:N0} bytes; a tokenizer has at most {MaxBytes:N0}", "give the tokenizer's file, not the model's");
            }
            return File.ReadAllBytes(path);
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserErrorException($"{path} does not exist", $"give a {TokenizerFile.FileName} or the model folder that holds one", failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{path} cannot be read: {failure.Message}", "check the file and its permissions", failure);
        }
    }

    /// <summary>Whether a folder holds a tokenizer.</summary>
    public static bool AreIn(string folder) => Directory.Exists(folder) && All.Any(format => Find(folder, format) is not null);

    private static TokenizerParts ReadFolder(string folder)
    {
        foreach (TokenizerFormat format in All)
        {
            if (Find(folder, format) is { } file) return format.Read(new TokenizerSource(file, ReadBytes(file)));
        }
        throw new UserErrorException($"{folder} holds no tokenizer", $"give the folder or file of one; known are: {Known}");
    }

    private static string? Find(string folder, TokenizerFormat format)
    {
        foreach (string name in format.FileNames)
        {
            string[] found = [.. Directory.EnumerateFiles(folder, name, new EnumerationOptions { MatchType = MatchType.Simple, MatchCasing = MatchCasing.CaseSensitive }).Order(StringComparer.Ordinal)];
            if (found.Length > 1) throw new UserErrorException($"{folder} holds several tokenizers: {string.Join(", ", found.Select(Path.GetFileName))}", "give the path of one of them");
            if (found.Length == 1) return found[0];
        }
        return null;
    }
}

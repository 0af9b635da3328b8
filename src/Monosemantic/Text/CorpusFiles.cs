using System.IO.Enumeration;
using System.Text;
using System.Text.Json;
using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>The file formats of a corpus: text in blocks, JSON lines, a JSON array.</summary>
internal static class CorpusFiles
{
    /// <summary>Longest document, in characters; a longer one is a file without document boundaries.</summary>
    public const int MaxDocumentCharacters = 64 << 20;

    private const long MaxJsonArrayBytes = 256L << 20;

    private static readonly string[] FolderExtensions = [".txt", ".md", ".jsonl", ".ndjson"];

    /// <summary>Reads one file by its extension.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="name">What its documents are named after.</param>
    /// <param name="textField">The field of a JSON object that holds the text.</param>
    public static IEnumerable<Document> Read(string path, string name, string textField)
    {
        string extension = Path.GetExtension(path).ToLowerInvariant();
        if (extension == ".json") return ReadJsonArray(path, name, textField);
        return extension is ".jsonl" or ".ndjson" ? ReadJsonLines(path, name, textField) : ReadTextFile(path, name);
    }

    /// <summary>The texts below a folder, in ordinal order of relative path; links to folders are not followed.</summary>
    /// <param name="folder">The folder.</param>
    public static IReadOnlyList<string> In(string folder)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = false, AttributesToSkip = 0 };
        var found = new FileSystemEnumerable<string>(folder, (ref FileSystemEntry entry) => entry.ToFullPath(), options)
        {
            ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory && IsText(entry.FileName),
            ShouldRecursePredicate = (ref FileSystemEntry entry) => !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
        };
        string root = Path.GetFullPath(folder);
        try
        {
            return [.. found.Select(file => Path.GetRelativePath(root, file).Replace('\\', '/')).Order(StringComparer.Ordinal)];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{folder} cannot be listed: {failure.Message}", "check the permissions of the folder and of those in it", failure);
        }
    }

    /// <summary>One document per block of lines between blank lines, named <c>name:line</c>.</summary>
    /// <param name="stream">The bytes, UTF-8.</param>
    /// <param name="source">The name to give in errors.</param>
    /// <param name="name">What the documents are named after.</param>
    public static IEnumerable<Document> ReadBlocks(Stream stream, string source, string name)
    {
        var block = new StringBuilder();
        long first = 0;
        foreach (Utf8Line line in Utf8Lines.Read(stream, source))
        {
            bool blank = string.IsNullOrWhiteSpace(line.Text);
            if (!blank)
            {
                if (block.Length > 0) block.Append('\n');
                else first = line.Number;
                block.Append(line.Text);
                if (block.Length > MaxDocumentCharacters) throw TooLarge(source, first);
            }
            else if (block.Length > 0)
            {
                yield return new Document($"{name}:{first}", block.ToString());
                block.Clear();
            }
        }
        if (block.Length > 0) yield return new Document($"{name}:{first}", block.ToString());
    }

    private static IEnumerable<Document> ReadTextFile(string path, string name)
    {
        using FileStream stream = Open(path);
        foreach (Document document in ReadBlocks(stream, path, name)) yield return document;
    }

    private static IEnumerable<Document> ReadJsonLines(string path, string name, string textField)
    {
        using FileStream stream = Open(path);
        foreach (Utf8Line line in Utf8Lines.Read(stream, path))
        {
            if (string.IsNullOrWhiteSpace(line.Text)) continue;
            string text = TextOfLine(line, path, textField);
            if (!string.IsNullOrWhiteSpace(text)) yield return new Document($"{name}:{line.Number}", text);
        }
    }

    private static IEnumerable<Document> ReadJsonArray(string path, string name, string textField)
    {
        using JsonDocument json = ParseArray(path);
        int index = -1;
        foreach (JsonElement element in json.RootElement.EnumerateArray())
        {
            index++;
            string text = TextOf(element, $"{path}, element {index}", textField);
            if (!string.IsNullOrWhiteSpace(text)) yield return new Document($"{name}:{index}", text);
        }
    }

    private static JsonDocument ParseArray(string path)
    {
        byte[] bytes = ReadWhole(path);
        Utf8Lines.Check(bytes, path, 0);
        try
        {
            var json = JsonDocument.Parse(bytes.AsMemory(Utf8Lines.ByteOrderMark(bytes)));
            if (json.RootElement.ValueKind == JsonValueKind.Array) return json;
            json.Dispose();
            throw new UserErrorException($"{path} does not hold a JSON array", "a .json corpus is an array of strings or of objects; one object a line goes into a .jsonl file");
        }
        catch (JsonException failure)
        {
            throw new UserErrorException($"{path}, line {failure.LineNumber + 1}: not JSON ({FirstSentence(failure)})", "correct that line; one object a line goes into a .jsonl file", failure);
        }
    }

    private static byte[] ReadWhole(string path)
    {
        using FileStream stream = Open(path);
        if (stream.Length > MaxJsonArrayBytes)
        {
            throw new UserErrorException($"{path} has {stream.Length:N0} bytes; a JSON array is read whole, up to {MaxJsonArrayBytes:N0}", "turn it into JSON lines (.jsonl), which are streamed, for example with jq -c '.[]'");
        }
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static string TextOfLine(Utf8Line line, string path, string textField)
    {
        string where = $"{path}, line {line.Number}";
        try
        {
            using var json = JsonDocument.Parse(line.Text);
            return TextOf(json.RootElement, where, textField);
        }
        catch (JsonException failure)
        {
            throw new UserErrorException($"{where}: not JSON ({FirstSentence(failure)})", "every line of a .jsonl file is one JSON object or string", failure);
        }
    }

    private static string TextOf(JsonElement element, string where, string textField)
    {
        try
        {
            if (element.ValueKind == JsonValueKind.String) return element.GetString()!;
            if (element.ValueKind != JsonValueKind.Object) throw NoText(where, $"a JSON {element.ValueKind}", textField);
            if (!element.TryGetProperty(textField, out JsonElement text)) throw NoText(where, $"an object with the fields {FieldsOf(element)}", textField);
            return text.ValueKind == JsonValueKind.String ? text.GetString()! : throw NoText(where, $"an object whose \"{textField}\" is a {text.ValueKind}", textField);
        }
        catch (InvalidOperationException failure)
        {
            throw new UserErrorException($"{where}: half of a surrogate pair in the text, which is no Unicode text", "remove or repair the \\ud8.. escape on that line", failure);
        }
    }

    private static UserErrorException NoText(string where, string found, string textField) =>
        new($"{where}: expected an object with a string \"{textField}\", found {found}", "name the field that holds the text with the corpus option text_field");

    private static string FieldsOf(JsonElement element) =>
        string.Join(", ", element.EnumerateObject().Take(8).Select(field => $"\"{field.Name}\"").DefaultIfEmpty("(none)"));

    private static string FirstSentence(JsonException failure) => failure.Message.Split(". ")[0];

    private static UserErrorException TooLarge(string source, long line) => new(
        $"{source}: the document that starts at line {line:N0} has more than {MaxDocumentCharacters:N0} characters",
        "separate documents by blank lines, or use .jsonl with one document a line");

    private static bool IsText(ReadOnlySpan<char> fileName) =>
        FolderExtensions.Contains(Path.GetExtension(fileName).ToString(), StringComparer.OrdinalIgnoreCase);

    private static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{path} cannot be read: {failure.Message}", "check that the file exists and that you may read it", failure);
        }
    }
}

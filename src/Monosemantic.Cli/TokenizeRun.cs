using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Cli;

/// <summary>Reads what <c>tokenize</c> is given, and writes what it makes.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="output">The safetensors file to write; null for none.</param>
/// <param name="json">Whether the result is printed as JSON.</param>
internal sealed class TokenizeRun(Tokenizer tokenizer, string? output, bool json)
{
    private const string TensorName = "input_ids";
    private static readonly JsonSerializerOptions OneLine = new(JsonFile.Options) { WriteIndented = false };

    internal void Encode(string file, EncodingPolicy policy)
    {
        string text = ReadText(file);
        EncodingRecord record = tokenizer.Describe(policy);
        int[] ids = tokenizer.Encode(text, policy);
        Save(ids, record);
        if (!json)
        {
            Print(string.Join(' ', ids) + "\n");
            return;
        }
        ImmutableArray<TokenSpan> spans = tokenizer.EncodeWithOffsets(text, policy);
        Print(JsonFile.ToText(new
        {
            Tokenizer = Described(),
            Encoding = record,
            Ids = ids,
            Tokens = ids.Select(tokenizer.Piece),
            Offsets = spans.Select(span => new[] { span.Start, span.End }),
        }));
    }

    internal void Decode(string file)
    {
        int[] ids = ReadIds(file);
        string text = tokenizer.Display(ids);
        Save(ids, null);
        if (json) Print(JsonFile.ToText(new { Tokenizer = Described(), Ids = ids, Tokens = ids.Select(tokenizer.Piece), Text = text, WholeCharacters = Utf8.IsValid(tokenizer.DecodeBytes(ids)) }));
        else Print(Console.IsOutputRedirected || text.EndsWith('\n') ? text : text + "\n");
    }

    private object Described() => new { tokenizer.Kind, tokenizer.VocabularySize, tokenizer.Sha256, tokenizer.Bos, tokenizer.Eos, tokenizer.Unknown, tokenizer.SpecialTokens };

    // As bytes, so that the text is what was decoded whatever the console's own encoding.
    private static void Print(string text)
    {
        using Stream stream = Console.OpenStandardOutput();
        stream.Write(Encoding.UTF8.GetBytes(text));
    }

    private void Save(int[] ids, EncodingRecord? record)
    {
        if (output is null) return;
        long[] values = [.. ids];
        var item = new SafetensorsWriter.Item(TensorName, TensorElement.Int64, [1, values.Length], stream => stream.Write(MemoryMarshal.AsBytes<long>(values)));
        var metadata = new Dictionary<string, string> { ["tokenizer_sha256"] = tokenizer.Sha256 };
        if (record is not null) metadata["encoding"] = JsonSerializer.Serialize(record, OneLine);
        SafetensorsWriter.WriteItems(output, [item], metadata);
    }

    private static string ReadText(string file)
    {
        byte[] bytes = ReadBytes(file);
        string source = file == "-" ? "standard input" : file;
        if (!Utf8.IsValid(bytes))
        {
            throw new UserErrorException($"{source} is not UTF-8", "convert the file to UTF-8 first, for example with iconv -f LATIN1 -t UTF-8");
        }
        return Encoding.UTF8.GetString(bytes.AsSpan(bytes.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0));
    }

    private static int[] ReadIds(string file)
    {
        if (file != "-" && Path.GetExtension(file) == ".safetensors") return ReadTensor(file);
        string text = Encoding.UTF8.GetString(ReadBytes(file)).Trim();
        string source = file == "-" ? "standard input" : file;
        if (text.StartsWith('[')) return JsonFile.Parse<int[]>(Encoding.UTF8.GetBytes(text), source);
        if (text.StartsWith('{')) return IdsOfResult(text, source);
        string[] words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return [.. words.Select(word => int.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int id)
            ? id
            : throw new UserErrorException($"{source} holds \"{(word.Length > 20 ? word[..20] + "..." : word)}\", which is no token id", "ids are whole numbers with white space between them, or a JSON array of them; give text with --text"))];
    }

    // What --json prints.
    private static int[] IdsOfResult(string text, string source)
    {
        JsonElement result = JsonFile.Parse<JsonElement>(Encoding.UTF8.GetBytes(text), source);
        return result.TryGetProperty("ids", out JsonElement ids)
            ? JsonFile.Parse<int[]>(Encoding.UTF8.GetBytes(ids.GetRawText()), $"{source}: ids")
            : throw new UserErrorException($"{source} holds a JSON object without ids", "give a JSON array of ids, or what tokenize --json prints");
    }

    private static int[] ReadTensor(string file)
    {
        using SafetensorsFile tensors = SafetensorsFile.Open(file);
        SafetensorsEntry entry = tensors.Entry(TensorName);
        bool row = entry.Shape.Length == 1 || (entry.Shape.Length == 2 && entry.Shape[0] == 1);
        if (entry.Element != TensorElement.Int64 || !row) throw new UserErrorException($"{file}: {TensorName} is {entry.Element.Name} [{string.Join(", ", entry.Shape)}]; it must be I64 [1, t] or [t]", "give one sequence");
        return [.. MemoryMarshal.Cast<byte, long>(tensors.Bytes(TensorName)).ToArray().Select(id => id is >= int.MinValue and <= int.MaxValue
            ? (int)id
            : throw new UserErrorException($"{file}: {TensorName} holds {id}, which is no token id", "ids are whole numbers from 0 on"))];
    }

    private static byte[] ReadBytes(string file)
    {
        try
        {
            if (file != "-") return File.ReadAllBytes(file);
            using Stream stream = Console.OpenStandardInput();
            using var all = new MemoryStream();
            stream.CopyTo(all);
            return all.ToArray();
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserErrorException($"{file} does not exist", "check the path", failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{file} cannot be read: {failure.Message}", "check the file and its permissions", failure);
        }
    }
}

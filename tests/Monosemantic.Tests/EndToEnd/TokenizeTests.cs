using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.EndToEnd;

/// <summary><c>tokenize</c> as users run it.</summary>
public sealed class TokenizeTests : IDisposable
{
    private const string Story = "The `List<T>` class — naïve 🦙,\n\n  <|endoftext|> and on.";

    private static readonly string Sample = Path.Combine(Repository.Root, "activations", "sample", "dotnet-docs-lm");

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Text_becomes_ids_and_ids_become_the_text_again()
    {
        Tokenizer tokenizer = Tokenizer.Load(Sample);
        string text = Write("story.txt", Story), ids = Path.Combine(folder, "ids.safetensors");

        CommandResult encoded = await RunAsync("tokenize", "--tokenizer", Sample, "--text", text, "--bos", "--out", ids);
        Assert.Equal("", encoded.Error);
        int[] expected = [tokenizer.Bos!.Value, .. tokenizer.Encode(Story)];
        Assert.Equal(string.Join(' ', expected) + "\n", encoded.Output);

        using (SafetensorsFile file = SafetensorsFile.Open(ids))
        {
            Assert.Equal([1, expected.Length], file.Entry("input_ids").Shape);
            Assert.Equal(tokenizer.Sha256, file.Header.Metadata["tokenizer_sha256"]);
            JsonElement record = JsonDocument.Parse(file.Header.Metadata["encoding"]).RootElement;
            Assert.Equal(("bos", "text", expected[0]), (record.GetProperty("add").GetString(), record.GetProperty("special").GetString(), record.GetProperty("before")[0].GetInt32()));
        }
        foreach (string from in new[] { ids, Write("ids.txt", encoded.Output), Write("ids.json", $"[{string.Join(',', expected)}]") })
        {
            Assert.Equal("<|endoftext|>" + Story, (await RunAsync("tokenize", "--tokenizer", Sample, "--ids", from)).Output);
        }
    }

    [Fact]
    public async Task Json_has_ids_pieces_and_offsets_and_can_be_read_back()
    {
        CommandResult encoded = await RunAsync("tokenize", "--tokenizer", Sample, "--text", Write("story.txt", Story), "--special", "token", "--json");
        JsonElement result = JsonDocument.Parse(encoded.Output).RootElement;
        Tokenizer tokenizer = Tokenizer.Load(Sample);
        int[] ids = result.GetProperty("ids").Deserialize<int[]>()!;
        Assert.Equal(tokenizer.Encode(Story, parseSpecialTokens: true), ids);
        Assert.Equal(ids.Select(tokenizer.Piece), result.GetProperty("tokens").Deserialize<string[]>());
        Assert.Equal(tokenizer.EncodeWithOffsets(Story, true).Select(span => new[] { span.Start, span.End }), result.GetProperty("offsets").Deserialize<int[][]>());
        Assert.Equal("token", result.GetProperty("encoding").GetProperty("special").GetString());

        CommandResult decoded = await RunAsync("tokenize", "--tokenizer", Sample, "--ids", Write("result.json", encoded.Output), "--json");
        Assert.Equal(Story, JsonDocument.Parse(decoded.Output).RootElement.GetProperty("text").GetString());
    }

    [Fact]
    public async Task Standard_input_is_read_and_loose_bytes_are_shown()
    {
        Tokenizer tokenizer = Tokenizer.Load(Sample);
        int loose = tokenizer.IdOf(ByteAlphabet.ToCharacter(0xE2).ToString())!.Value;
        Assert.Equal($"{string.Join(' ', tokenizer.Encode("the é"))}\n", await PipeAsync("the é", "--text", "-"));
        Assert.Equal("<0xE2>the", await PipeAsync($"[{loose}, {string.Join(',', tokenizer.Encode("the"))}]", "--ids", "-"));
    }

    [Theory]
    [InlineData("--text FILE", "hint:")]
    [InlineData("--text FILE", "--text", "nowhere.txt", "--ids", "nowhere.txt")]
    [InlineData("nowhere.txt does not exist", "--text", "nowhere.txt")]
    [InlineData("is not UTF-8", "--text", "latin.txt")]
    [InlineData("\"word\", which is no token id", "--ids", "words.txt")]
    [InlineData("token id 4096 has no token", "--ids", "high.txt")]
    [InlineData("without ids", "--ids", "object.json")]
    [InlineData("--bos and --template", "--text", "words.txt", "--bos", "--template")]
    [InlineData("no template", "--text", "words.txt", "--template")]
    [InlineData("--ids was given", "--ids", "high.txt", "--bos")]
    public async Task A_mistake_is_told_with_what_to_do(string named, params string[] arguments)
    {
        File.WriteAllBytes(Path.Combine(folder, "latin.txt"), [0xE9, 0x20]);
        Write("words.txt", "1 word");
        Write("high.txt", "1 4096");
        Write("object.json", "{}");
        CommandResult result = await RunAsync(["tokenize", "--tokenizer", Sample, .. arguments.Where(argument => argument != "hint:")]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(named, result.Error);
        Assert.Contains("hint:", result.Error);
        Assert.Equal("", result.Output);
    }

    private Task<CommandResult> RunAsync(params string[] arguments) => CommandLine.RunAsync(folder, arguments);

    private string Write(string name, string text)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private async Task<string> PipeAsync(string input, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [CommandLine.Program, "tokenize", "--tokenizer", Sample, .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
        };
        using Process process = Process.Start(start)!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;

namespace Monosemantic.Tests.EndToEnd;

public sealed class NotebookCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-notebook-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Cells_share_their_variables_and_show_what_they_print_display_and_return()
    {
        string path = await Write("shared.ipynb", "int x = 40;\nConsole.WriteLine(\"printed\");", "await Task.Delay(1);\ndisplay(x + 1);\nx + 2", "File.Exists(\"shared.ipynb\")", "new[] { 1.5, 2 }");
        CommandResult result = await CommandLine.RunAsync(folder, "notebook", "run", path, "--out", "out.ipynb", "--json");
        Assert.True(result.ExitCode == 0, result.Error);
        using var shown = JsonDocument.Parse(result.Output);
        string[] texts = [.. shown.RootElement.GetProperty("cells").EnumerateArray().SelectMany(cell => cell.GetProperty("outputs").EnumerateArray()).Select(output => output.GetString()!)];
        string[] expected = ["printed\n", "41", "42", "True", "[ 1.5, 2 ]"];
        Assert.Equal(expected, texts);
        JsonNode saved = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "out.ipynb"), TestContext.Current.CancellationToken))!;
        Assert.Equal("kept", (string?)saved["metadata"]!["of_another_tool"]);
        Assert.Equal("execute_result", (string?)saved["cells"]![2]!["outputs"]![1]!["output_type"]);
    }

    [Fact]
    public async Task The_library_is_the_one_that_was_built_and_shows_its_values_as_html()
    {
        string path = await Write(
            "library.ipynb",
            "#r \"nowhere/Monosemantic.dll\"\n#r \"nuget: Plotly.NET, 6.0.0\"\nusing Monosemantic.Reports;\nusing Monosemantic.Runtime;",
            "typeof(Plots).Assembly.Location == AppContext.BaseDirectory + \"Monosemantic.dll\"",
            "new ParetoPoint(\"<script>alert(1)</script>\", 1, 2)",
            "Plots.Pareto([new(\"<b>a</b>\", 16, 0.4), new(\"b\", 32, 0.2)])");
        CommandResult result = await CommandLine.RunAsync(folder, "notebook", "run", path, "--out", "out.ipynb");
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Contains("  True\n", result.Output, StringComparison.Ordinal);
        JsonNode saved = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "out.ipynb"), TestContext.Current.CancellationToken))!;
        string Shown(int cell, string form) => string.Concat(saved["cells"]![cell]!["outputs"]![0]!["data"]![form]!.AsArray().Select(line => (string?)line));
        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt;", Shown(3, "text/html"), StringComparison.Ordinal);
        Assert.Contains("&lt;b&gt;a&lt;/b&gt;", Shown(4, "image/svg+xml"), StringComparison.Ordinal);
        Assert.Equal("&lt;b&gt;a&lt;/b&gt;", (string?)saved["cells"]![4]!["outputs"]![0]!["data"]!["application/vnd.plotly.v1+json"]!["data"]![1]!["text"]![0]);
    }

    [Theory]
    [InlineData("cell 3, line 2: CS0103", "int fine = 1;", "\nunknown + 1")]
    [InlineData("cell 2: DivideByZeroException", "int zero = 0;\nConsole.WriteLine(1 / zero);")]
    [InlineData("names no assembly", "#r \"missing.dll\"")]
    [InlineData("names no assembly", "#r \"nuget: Newtonsoft.Nothing, 1.0\"")]
    public async Task The_first_cell_that_fails_is_named_and_nothing_is_written(string named, params string[] cells)
    {
        CommandResult result = await CommandLine.RunAsync(folder, "notebook", "run", await Write("broken.ipynb", cells), "--out", "out.ipynb");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(named, result.Error, StringComparison.Ordinal);
        Assert.Contains("hint:", result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder, "out.ipynb")));
    }

    [Theory]
    [InlineData("no notebook", "{}")]
    [InlineData("no notebook", "{\"nbformat\": 3, \"cells\": []}")]
    [InlineData("no notebook", "{\"nbformat\": 4, \"cells\": [1]}")]
    [InlineData("not JSON", "{\"nbformat\": 4,")]
    [InlineData("written in python", "{\"nbformat\": 4, \"cells\": [], \"metadata\": {\"kernelspec\": {\"language\": \"python\"}}}")]
    public async Task What_is_no_notebook_of_csharp_is_refused(string named, string content)
    {
        await File.WriteAllTextAsync(Path.Combine(folder, "x.ipynb"), content, TestContext.Current.CancellationToken);
        CommandResult result = await CommandLine.RunAsync(folder, "notebook", "run", "x.ipynb");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(named, result.Error, StringComparison.Ordinal);
    }

    private async Task<string> Write(string name, params string[] cells)
    {
        JsonObject Cell(string kind, string source) => new() { ["cell_type"] = kind, ["metadata"] = new JsonObject(), ["source"] = source, ["outputs"] = new JsonArray(), ["execution_count"] = null };
        var notebook = new JsonObject
        {
            ["cells"] = new JsonArray([Cell("markdown", "# prose"), .. cells.Select(cell => Cell("code", cell))]),
            ["metadata"] = new JsonObject { ["kernelspec"] = new JsonObject { ["language"] = "C#", ["name"] = ".net-csharp" }, ["of_another_tool"] = "kept" },
            ["nbformat"] = 4,
            ["nbformat_minor"] = 5,
        };
        await File.WriteAllTextAsync(Path.Combine(folder, name), notebook.ToJsonString(), TestContext.Current.CancellationToken);
        return name;
    }
}

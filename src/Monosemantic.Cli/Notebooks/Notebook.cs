using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Notebooks;

/// <summary>A Jupyter notebook (nbformat 4) of C# cells, as it stands in its file; what this tool does not know is kept.</summary>
internal sealed class Notebook
{
    private static readonly JsonSerializerOptions Layout = new() { WriteIndented = true, IndentSize = 1, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly JsonObject root;

    private Notebook(string path, JsonObject root)
    {
        (Path, this.root) = (path, root);
        Cells = [.. root["cells"]!.AsArray().Select((cell, i) => new NotebookCell(i + 1, cell!.AsObject()))];
    }

    /// <summary>The file.</summary>
    internal string Path { get; }

    /// <summary>All cells, in order.</summary>
    internal ImmutableArray<NotebookCell> Cells { get; }

    /// <summary>Reads a notebook.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UserErrorException">It is not there, no notebook of version 4, or not of C#.</exception>
    internal static Notebook Open(string path)
    {
        if (!File.Exists(path)) throw new UserErrorException($"{path} does not exist", "give the path of an .ipynb file");
        JsonObject? root;
        try
        {
            root = JsonNode.Parse(File.ReadAllText(path)) as JsonObject;
        }
        catch (JsonException failure)
        {
            throw new UserErrorException($"{path} is not JSON: {failure.Message}", "give an .ipynb file", failure);
        }
        bool whole = root?["cells"] is JsonArray cells && cells.All(cell => cell is JsonObject one && one["cell_type"] is JsonValue && one["source"] is JsonValue or JsonArray);
        if (!whole || root!["nbformat"] is not JsonValue version || !version.TryGetValue(out int number) || number != 4) throw new UserErrorException($"{path} is no notebook of format 4", "give an .ipynb file that Jupyter or Visual Studio Code wrote");
        string language = (string?)root["metadata"]?["kernelspec"]?["language"] ?? (string?)root["metadata"]?["language_info"]?["name"] ?? "C#";
        if (language is not ("C#" or "csharp" or "polyglot-notebook")) throw new UserErrorException($"{path} is written in {language}", "only notebooks with C# cells run here");
        return new(path, root);
    }

    /// <summary>Writes the notebook with the outputs that its cells now have.</summary>
    /// <param name="path">The file to make or replace.</param>
    internal void Save(string path)
    {
        var whole = root.DeepClone().AsObject();
        var charts = new List<string>();
        foreach (JsonObject data in whole["cells"]!.AsArray().SelectMany(cell => cell!["outputs"] as JsonArray ?? []).Select(output => output!["data"]).OfType<JsonObject>())
        {
            if (data[NotebookOutput.PlotlyType] is not JsonObject chart) continue;
            data[NotebookOutput.PlotlyType] = Placeholder(charts.Count);
            charts.Add(chart.ToJsonString());
        }
        string text = whole.ToJsonString(Layout);
        for (int i = 0; i < charts.Count; i++) text = text.Replace($"\"{Placeholder(i)}\"", charts[i], StringComparison.Ordinal);
        AtomicFile.WriteText(path, text + "\n");
    }

    // A chart has thousands of numbers: on a line each they would be the most of the file.
    private static string Placeholder(int chart) => $"monosemantic chart {chart}";
}

/// <summary>One cell.</summary>
/// <param name="number">Its number, from 1.</param>
/// <param name="json">The cell as it stands in the file.</param>
internal sealed class NotebookCell(int number, JsonObject json)
{
    /// <summary>Its number, from 1, prose included.</summary>
    internal int Number => number;

    /// <summary>Whether it holds code to run.</summary>
    internal bool IsCode => (string?)json["cell_type"] == "code";

    /// <summary>Its text.</summary>
    internal string Source => json["source"] is JsonArray lines ? string.Concat(lines.Select(line => (string?)line)) : (string?)json["source"] ?? "";

    /// <summary>What it showed when it was last run; empty for prose.</summary>
    internal JsonArray Outputs => json["outputs"] as JsonArray ?? [];

    /// <summary>Puts what it showed in place of what it showed before.</summary>
    /// <param name="execution">Number of the code cell, in order of execution.</param>
    /// <param name="outputs">What it showed.</param>
    internal void Show(int execution, IEnumerable<NotebookOutput> outputs)
    {
        json["execution_count"] = execution;
        json["outputs"] = new JsonArray([.. outputs.Select(output => output.ToJson(execution))]);
    }
}

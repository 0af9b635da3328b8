using System.CommandLine;
using Monosemantic.Features;
using Monosemantic.Reports;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>report</c>: one self-contained HTML page of a feature index.</summary>
internal static class ReportCommand
{
    internal static Command Create()
    {
        var index = new Argument<string>("DIR") { Description = "the feature index that scan wrote" };
        Option<string> output = CommonOptions.NotEmpty(new("--out") { Description = "the HTML file to write", DefaultValueFactory = _ => "report.html", HelpName = "FILE" });
        Option<int> largest = new("--max-file") { Description = "largest single file in MB; above it the report is a page and a folder of the features' pages beside it", DefaultValueFactory = _ => (int)(HtmlReport.LargestFile / 1_000_000), HelpName = "MB" };
        Option<bool> json = CommonOptions.Json();
        largest.AtLeast(0);
        var command = new ToolCommand(
            "report",
            "Writes one self-contained HTML page (above --max-file, a page and a folder): opens from disk, needs no network. The same index gives the same bytes.",
            "monosemantic report activations/demo/features --out report.html") { index, output, largest, json };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(output);
            string? folder = HtmlReport.Write(path, ReportSource.From(FeatureIndex.Open(parsed.GetRequiredValue(index))), parsed.GetValue(largest) * 1_000_000L);
            long bytes = new FileInfo(path).Length + (folder is null ? 0 : Directory.EnumerateFiles(folder).Sum(file => new FileInfo(file).Length));
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(new { Report = path, Folder = folder is null ? null : Path.GetFileName(folder), Bytes = bytes }));
            else Console.Out.WriteLine($"report: {path}{(folder is null ? "" : $" and the folder {Path.GetFileName(folder)} beside it")} ({bytes / 1e6:F1} MB)");
        });
        return command;
    }
}

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
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "report",
            "Writes one self-contained HTML page: opens from disk, needs no network. The same index gives the same bytes.",
            "monosemantic report activations/demo/features --out report.html") { index, output, json };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(output);
            HtmlReport.Write(path, ReportSource.From(FeatureIndex.Open(parsed.GetRequiredValue(index))));
            if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(new { Report = path, Bytes = new FileInfo(path).Length }));
            else Console.Out.WriteLine($"report: {path} ({new FileInfo(path).Length / 1e6:F1} MB)");
        });
        return command;
    }
}

using System.CommandLine;
using Monosemantic.Dictionaries;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Features.Exports;
using Monosemantic.Metrics;
using Monosemantic.Metrics.Synthetic;
using Monosemantic.Models;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>list</c>: what this build knows, straight from the registries.</summary>
internal static class ListCommand
{
    private static readonly IReadOnlyList<(string Name, string Summary, Func<IEnumerable<(string Name, string Summary)>> Rows)> Registries =
    [
        ("families", "model families that can be loaded", () => ModelFamily.Listing),
        ("architectures", "kinds of sparse autoencoder", () => SaeArchitecture.All.Select(kind => (kind.Name, kind.Summary))),
        ("formats", "file formats of sparse autoencoders", () => SaeFormat.All.Select(format => (format.Name, $"{format.Summary} ({(format.Writes ? "read and written" : "read")}: {format.Layout})"))),
        ("exports", "tools that features are exported to", () => FeatureExport.All.Select(export => (export.Name, $"{export.Summary} ({export.Layout})"))),
        ("releases", "published sparse autoencoders that are known by the folders they lie in", () => SaeCatalogue.All.Select(release => (release.Name, $"{release.Format} of {release.Model} at {release.HookPoint} ({(release.Repository is { } repository ? $"{repository}/" : "")}{release.Layout})"))),
        ("metrics", "numbers that eval reports, with their definitions", () => MetricCatalogue.All.Select(metric => (metric.Definition.Name, metric.Definition.Formula))),
        ("synthetic", "ready-made synthetic data", () => SyntheticPreset.All.Select(preset => (preset.Name, preset.Summary))),
    ];

    internal static Command Create()
    {
        var command = new ToolCommand("list", "Lists what this build knows.", "monosemantic list families");
        foreach (var registry in Registries)
        {
            Option<bool> json = CommonOptions.Json();
            var list = new ToolCommand(registry.Name, $"Lists the {registry.Summary}.", $"monosemantic list {registry.Name}") { json };
            list.SetAction(parsed =>
            {
                if (parsed.GetValue(json)) Console.Out.Write(JsonFile.ToText(registry.Rows().Select(row => new { row.Name, row.Summary })));
                else Terminal.PrintTable(registry.Name, registry.Rows());
            });
            command.Subcommands.Add(list);
        }
        return command;
    }
}

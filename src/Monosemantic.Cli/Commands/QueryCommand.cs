using System.CommandLine;
using Monosemantic.Features;

namespace Monosemantic.Cli.Commands;

/// <summary><c>query</c>: a question in SQL to a feature index.</summary>
internal static class QueryCommand
{
    internal static Command Create()
    {
        var sql = new Argument<string>("SQL") { Description = "one statement that reads; \"from columns\" lists the tables and what their columns mean" };
        var index = new Argument<string>("DIR") { Description = "the feature index that scan wrote" };
        Option<bool> csv = ResultPrinter.Csv(), json = CommonOptions.Json();
        var command = new ToolCommand(
            "query",
            "Answers a question in SQL (DuckDB's) over a feature index: tables features, neurons, tokens, contexts, firings, neighbours, logits, histograms, vocabulary, runs. Read-only.",
            "monosemantic query \"select feature, density, max from features order by density desc limit 5\" activations/demo/features") { sql, index, csv, json };
        command.SetAction(parsed =>
        {
            using var database = FeatureDatabase.Open(parsed.GetRequiredValue(index));
            ResultPrinter.Print(database.Query(parsed.GetRequiredValue(sql)), parsed.GetValue(csv), parsed.GetValue(json));
        });
        return command;
    }
}

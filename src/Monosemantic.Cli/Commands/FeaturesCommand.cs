using System.CommandLine;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>features</c>: ready questions to a feature index.</summary>
internal static class FeaturesCommand
{
    private const string TopTokens = "(select string_agg('‹' || text || '›', ' ' order by rank) from tokens where kind = 'feature' and unit = feature and rank < 5) as tokens";

    private static readonly string[] Shown = ["feature", "firings", "density", "mean", "max", "token_entropy"];

    private static readonly string[] Sorts = [.. Shown, "purity", "decile_consistency", "token_predictability", "context_predictability", "ablation_loss"];

    internal static Command Create()
    {
        var command = new ToolCommand("features", "Looks into a feature index: lists, shows, finds and exports features.", "monosemantic features list activations/demo/features");
        foreach (Command question in new[] { List(), Show(), Find(), Similar(), FeatureExportCommand.Create() }) command.Subcommands.Add(question);
        return command;
    }

    private static ToolCommand List()
    {
        Argument<string> index = Index();
        Option<int> limit = Limit();
        var sort = new Option<string>("--sort") { Description = "column to sort by", DefaultValueFactory = _ => "max", HelpName = "COLUMN" };
        sort.AcceptOnlyFromAmong(Sorts);
        Option<bool> ascending = new("--ascending") { Description = "smallest first" };
        return Question("list", "Lists features by a number of theirs.", "monosemantic features list activations/demo/features --sort density --limit 10", [index, sort, ascending, limit], index, (database, parsed) =>
            List(database, parsed.GetRequiredValue(sort), parsed.GetValue(ascending), parsed.GetValue(limit)));
    }

    // Ordered twice: which rows, before their tokens are looked up, and the rows themselves, which that may have mixed.
    private static QueryResult List(FeatureDatabase database, string sort, bool ascending, int limit)
    {
        string order = $"order by {sort} {(ascending ? "asc" : "desc")} nulls last, feature", shown = Shown.Contains(sort) ? "" : $"{sort}, ";
        return database.Query($"select {string.Join(", ", Shown)}, {shown}{TopTokens} from (from features {order} limit {limit}) {order}");
    }

    private static ToolCommand Find()
    {
        Argument<string> index = Index();
        Option<int> limit = Limit();
        var token = new Option<string?>("--token") { Description = "a token that fires it, spaces and all", HelpName = "TOKEN" };
        var text = new Option<string?>("--text") { Description = "text that stands in one of its contexts", HelpName = "TEXT" };
        return Question("find", "Finds features by a token that fires them, or by text in their contexts.", "monosemantic features find --token Exception activations/demo/features", [index, token, text, limit], index, (database, parsed) =>
            (parsed.GetValue(token), parsed.GetValue(text)) switch
            {
                ({ } wanted, null) => ByToken(database, wanted, parsed.GetValue(limit)),
                (null, { } wanted) => database.Query(
                    $"select unit as feature, max(activation) as activation, count(*) as contexts, arg_max(text, activation) as text from contexts where kind = 'feature' and contains(text, $1) group by unit order by activation desc, unit limit {parsed.GetValue(limit)}", wanted),
                _ => throw new UserErrorException("find takes either --token or --text", "write for example --token \" the\", or --text \"the stream\""),
            });
    }

    private static QueryResult ByToken(FeatureDatabase database, string token, int limit)
    {
        QueryResult found = database.Query($"select unit as feature, count, recall, precision, tokens.mean, tokens.max, {TopTokens} from tokens join features on feature = unit where kind = 'feature' and text = $1 order by tokens.mean * count desc, unit limit {limit}", token);
        if (found.Rows.Length > 0 || database.Query("from vocabulary where text = $1", token).Rows.Length > 0) return found;
        string[] near = [.. database.Query("select distinct text from vocabulary where trim(lower(text)) = trim(lower($1)) order by text limit 3", token).Rows.Select(row => $"\"{row[0]}\"")];
        throw new UserErrorException($"\"{token}\" is no token of this model", near.Length > 0 ? $"spaces count: there is {string.Join(", ", near)}" : "look for text in contexts with --text instead");
    }

    private static ToolCommand Show()
    {
        Argument<string> index = Index();
        Argument<int> feature = Feature();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("show", "Shows one feature: its numbers, tokens, strongest contexts, logits and neighbours.", "monosemantic features show 12 activations/demo/features") { feature, index, json };
        command.SetAction(parsed =>
        {
            using var database = FeatureDatabase.Open(parsed.GetRequiredValue(index));
            FeatureCard.Print(database, parsed.GetRequiredValue(feature), parsed.GetValue(json));
        });
        return command;
    }

    private static ToolCommand Similar()
    {
        Argument<string> index = Index();
        Argument<int> feature = Feature();
        return Question("similar", "Lists the features and neurons closest to a feature: in direction, in activation, and by firing together.", "monosemantic features similar 12 activations/demo/features", [feature, index], index, (database, parsed) =>
        {
            FeatureCard.Require(database, parsed.GetRequiredValue(feature));
            return database.Query($"select relation, neighbour_kind as kind, neighbour, value, together, (select string_agg('‹' || text || '›', ' ' order by rank) from tokens where kind = neighbour_kind and unit = neighbour and rank < 5) as tokens from neighbours where kind = 'feature' and unit = {parsed.GetRequiredValue(feature)} order by relation <> 'cosine', relation, neighbour_kind, neighbours.rank");
        });
    }

    private static ToolCommand Question(string name, string summary, string example, IEnumerable<Symbol> symbols, Argument<string> index, Func<FeatureDatabase, ParseResult, QueryResult> ask)
    {
        Option<bool> csv = ResultPrinter.Csv(), json = CommonOptions.Json();
        var command = new ToolCommand(name, summary, example) { csv, json };
        foreach (Symbol symbol in symbols)
        {
            if (symbol is Argument argument) command.Arguments.Add(argument);
            else command.Options.Add((Option)symbol);
        }
        command.SetAction(parsed =>
        {
            using var database = FeatureDatabase.Open(parsed.GetRequiredValue(index));
            ResultPrinter.Print(ask(database, parsed), parsed.GetValue(csv), parsed.GetValue(json), symbols.OfType<Option<string?>>().FirstOrDefault(option => option.Name == "--text") is { } text ? parsed.GetValue(text) : null);
        });
        return command;
    }

    private static Argument<string> Index() => new("DIR") { Description = "the feature index that scan wrote" };

    private static Argument<int> Feature() => new("N") { Description = "index of the feature" };

    private static Option<int> Limit() => new Option<int>("--limit") { Description = "most rows to show", DefaultValueFactory = _ => 20, HelpName = "N" }.AtLeast(1);
}

using System.Collections;
using System.Globalization;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Cli;

/// <summary>One feature on the terminal.</summary>
internal static class FeatureCard
{
    /// <summary>The row of a feature in the table features.</summary>
    /// <exception cref="UserErrorException">There is no such feature.</exception>
    internal static QueryResult Require(FeatureDatabase database, int feature)
    {
        QueryResult found = database.Query($"from features where feature = {feature}");
        if (found.Rows.Length == 1) return found;
        object? last = database.Query("select max(feature) from features").Rows[0][0];
        throw new UserErrorException($"there is no feature {feature}", last is null ? "the index holds no feature" : $"features are 0..{last}");
    }

    internal static void Print(FeatureDatabase database, int feature, bool json)
    {
        QueryResult numbers = Require(database, feature);
        string where = $"where kind = 'feature' and unit = {feature}";
        QueryResult tokens = database.Query($"select text, count, recall, precision, mean, max from tokens {where} order by rank limit 12");
        QueryResult contexts = database.Query($"select band, activation, ablation_loss, text from contexts {where} order by band, rank");
        QueryResult logits = database.Query($"select promoted, text, logit from logits {where} order by promoted desc, rank");
        QueryResult neighbours = database.Query($"select relation, neighbour_kind as kind, neighbour, value from neighbours {where} order by relation, neighbour_kind, rank");
        if (json)
        {
            Console.Out.Write(JsonFile.ToText(new { Feature = Objects(numbers)[0], Tokens = Objects(tokens), Contexts = Objects(contexts), Logits = Objects(logits), Neighbours = Objects(neighbours) }));
            return;
        }
        Terminal.PrintTable($"feature {feature}", numbers.Columns.Zip(numbers.Rows[0]).Where(pair => pair.Second is not null && pair.First is not "feature" && !pair.First.StartsWith("histogram", StringComparison.Ordinal) && !pair.First.StartsWith("logit_", StringComparison.Ordinal)).Select(pair => (pair.First, Number(pair.Second))));
        Part("tokens that fire it", tokens);
        Part("contexts (band 0: strongest; then at random from each fifth of its firings; its peak between « and »)", AroundPeaks(database, where));
        Part("effect on logits", logits);
        Part("neighbours", neighbours);
    }

    // A context is wider than the terminal: what is shown of it is what stands around its peak.
    private static QueryResult AroundPeaks(FeatureDatabase database, string where)
    {
        QueryResult contexts = database.Query($"select band, activation, ablation_loss, peak, tokens from contexts {where} order by band, rank");
        Dictionary<int, string> texts = database.Query($"select token, text from vocabulary where token in (select unnest(tokens) from contexts {where})").Rows.ToDictionary(row => Convert.ToInt32(row[0], CultureInfo.InvariantCulture), row => (string)row[1]!);
        return new(["band", "activation", "ablation_loss", "text"], [.. contexts.Rows.Select(row => row[..3].Add(Text(Convert.ToInt32(row[3], CultureInfo.InvariantCulture), [.. ((IEnumerable)row[4]!).Cast<object>()])))]);

        string Text(int peak, object[] tokens)
        {
            string[] words = [.. tokens.Select(token => texts.GetValueOrDefault(Convert.ToInt32(token, CultureInfo.InvariantCulture), $"[{token}]"))];
            string word = words[peak].Trim(' ').Length > 0 ? words[peak].TrimStart(' ') : words[peak];
            return ResultPrinter.Around(string.Concat(words[..peak]) + words[peak][..^word.Length], word, string.Concat(words[(peak + 1)..]));
        }
    }

    private static void Part(string title, QueryResult rows)
    {
        if (rows.Rows.Length == 0) return;
        Console.Out.WriteLine($"\n{title}");
        ResultPrinter.Print(rows, csv: false, json: false);
    }

    private static string Number(object? value) => value is double number ? number.ToString("G5", CultureInfo.InvariantCulture) : ResultPrinter.Cell(value);

    private static Dictionary<string, object?>[] Objects(QueryResult rows) => [.. rows.Rows.Select(row => rows.Columns.Zip(row).ToDictionary(pair => pair.First, pair => pair.Second))];
}

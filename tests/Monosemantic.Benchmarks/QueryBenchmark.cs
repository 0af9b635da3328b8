using System.Diagnostics;
using System.Globalization;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Benchmarks;

/// <summary>What a question to an index costs.</summary>
/// <param name="Name">The question.</param>
/// <param name="Milliseconds">Median time of the question in an open index.</param>
/// <param name="Worst">The longest time.</param>
internal sealed record QueryCost(string Name, double Milliseconds, double Worst);

/// <summary>Asks an index of 32,768 made-up features what users ask: in this process, opening the index apart.</summary>
internal static class QueryBenchmark
{
    private const int Features = 32_768, Rounds = 9;

    private static readonly (string Name, string Sql)[] Questions =
    [
        ("densest features", "select feature, density, max from features order by density desc limit 20"),
        ("numbers of all", "select count(*), avg(density), quantile_cont(token_entropy, 0.5) from features where max > 2"),
        ("features of a token", "select unit as feature, count, recall, precision from tokens where kind = 'feature' and text = ' word17' order by mean * count desc, unit limit 20"),
        ("features with their first tokens", "select feature, max, (select string_agg(text, ' ' order by rank) from tokens where kind = 'feature' and unit = feature and rank < 5) as tokens from (from features order by max desc limit 20)"),
        ("contexts of a feature", "select band, activation, text from contexts where kind = 'feature' and unit = 12345 order by band, rank"),
        ("neighbours of a feature", "from neighbours where kind = 'feature' and unit = 12345"),
        ("text in all contexts", "select unit as feature, max(activation) as activation, count(*) as contexts, arg_max(text, activation) as text from contexts where kind = 'feature' and contains(text, 'word17 word99') group by unit order by activation desc, unit limit 20"),
    ];

    internal static int Run(string[] options)
    {
        int json = Array.IndexOf(options, "--json");
        if (json >= 0 && json == options.Length - 1) throw new UserErrorException("--json has no file name", "write --json FILE");
        string folder = Directory.CreateTempSubdirectory("monosemantic-benchmark-").FullName;
        try
        {
            LargeIndex.Write(folder, Features);
            List<QueryCost> costs = [Cost("open the index", () => FeatureDatabase.Open(folder).Dispose())];
            using var database = FeatureDatabase.Open(folder);
            foreach ((string name, string sql) in Questions) costs.Add(Cost(name, () => database.Query(sql)));
            if (json >= 0) JsonFile.Write(options[json + 1], costs);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static QueryCost Cost(string name, Action ask)
    {
        double[] times = new double[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            ask();
            times[round] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        Array.Sort(times);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {times[Rounds / 2]:F0} ms, worst {times[^1]:F0} ms"));
        return new(name, times[Rounds / 2], times[^1]);
    }
}

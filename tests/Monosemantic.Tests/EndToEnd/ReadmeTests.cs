using System.Diagnostics;
using Monosemantic.Features;
using Monosemantic.Metrics;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>The README's commands, run as they stand, and what they promise: the demo's numbers and its report in a browser.</summary>
[Trait("kind", "slow")]
[Collection(Alone.Name)]
public sealed class ReadmeTests(ReadmeTests.Commands commands) : IClassFixture<ReadmeTests.Commands>
{
    private string Demo => Path.Combine(commands.Folder, "activations", "demo");

    [Fact]
    public void Every_command_succeeds()
    {
        Assert.True(commands.Results.Count >= 7, $"only {commands.Results.Count} commands were found in the README");
        Assert.All(commands.Results, pair => Assert.True(pair.Result.ExitCode == 0, $"{pair.Command}: {pair.Result.Error}"));
    }

    [Fact]
    public void The_demo_reaches_the_quality_that_the_README_claims()
    {
        EvaluationResult metrics = JsonFile.Read<EvaluationResult>(Path.Combine(Demo, "metrics.json"));
        // A tenth above the README's rounded figures: processors add up in other orders, and so end in other last digits.
        Assert.InRange(metrics.Fvu!.Value, 0, 1.1 * Claimed("FVU"));
        Assert.InRange(metrics.CrossEntropy!.Recovered!.Value, Claimed("cross-entropy recovered") - 0.005, 1);
        Assert.InRange(metrics.DeadFraction, 0, 0.01);
        Assert.InRange(metrics.CrossEntropy.Original, 0, 1.02 * Claimed("cross-entropy of the model"));
        UnitSummary features = FeatureIndex.Open(Path.Combine(Demo, "features")).FeatureSummary, neurons = FeatureIndex.Open(Path.Combine(Demo, "features")).NeuronSummary;
        Assert.True(features.MedianTokenEntropy < neurons.MedianTokenEntropy, $"{features.MedianTokenEntropy} bits against {neurons.MedianTokenEntropy}");
    }

    [Fact]
    public void The_demo_stays_within_its_memory()
    {
        string output = commands.Results[0].Result.Output;
        string line = output.Split('\n').Single(text => text.TrimStart().StartsWith("peak memory", StringComparison.Ordinal));
        Assert.InRange(double.Parse(line.Split("memory")[1].Replace("MB", "").Replace(",", "")), 1, 2000);
    }

    // The first number in the second column of the README's row.
    private static double Claimed(string row)
    {
        string line = File.ReadLines(Path.Combine(Repository.Root, "README.md")).Single(text => text.StartsWith($"| {row}", StringComparison.Ordinal));
        return double.Parse(line.Split('|')[2].Trim().Split(' ')[0]);
    }

    [Fact]
    public async Task The_demos_report_sorts_searches_and_opens_a_feature_without_a_request_or_an_error()
    {
        await using Browser browser = await Browser.LaunchAsync();
        FeatureIndex index = FeatureIndex.Open(Path.Combine(Demo, "features"));
        string report = Path.Combine(Demo, "report.html");

        await browser.OpenAsync(report);
        await browser.PictureAsync("demo-overview");
        await browser.OpenAsync(report, "#features");
        await browser.Page.ClickAsync("th[data-key=firings] button");
        long most = index.Features.Max(unit => unit.Firings), fewest = index.Features.Min(unit => unit.Firings);
        int first = int.Parse((await browser.Page.GetAttributeAsync("#rows tr[data-place='0']", "data-index"))!);
        Assert.Contains(index.Features.Single(unit => unit.Index == first).Firings, new[] { most, fewest });

        await browser.Page.FillAsync("#search", "Exception");
        string shown = (await browser.Page.TextContentAsync("#shown"))!;
        Assert.InRange(int.Parse(shown.Split(' ')[0].Replace(",", "")), 1, index.Features.Length - 1);

        UnitEvidence opened = index.Features.MaxBy(unit => unit.Max)!;
        await browser.OpenAsync(report, $"#feature={opened.Index}");
        Assert.Equal($"Feature {opened.Index}", await browser.Page.TextContentAsync("#unit h2"));
        Assert.Equal(opened.Contexts.Length, await browser.Page.Locator("#unit .contexts .text").CountAsync());
        await browser.PictureAsync("demo-feature");
        Assert.Equal(new Uri(report).AbsoluteUri, Assert.Single(browser.Requests));
        Assert.Empty(browser.Errors);
    }

    /// <summary>Runs each command of the README once, in order, in a folder that holds nothing but the sample.</summary>
    public sealed class Commands : IAsyncLifetime
    {
        private const string Prefix = "dotnet run -c Release --project src/Monosemantic.Cli -- ";

        internal string Folder { get; } = Directory.CreateTempSubdirectory("monosemantic-readme-").FullName;

        internal List<(string Command, CommandResult Result)> Results { get; } = [];

        public async ValueTask InitializeAsync()
        {
            string sample = Directory.CreateDirectory(Path.Combine(Folder, "activations")).FullName;
            Directory.CreateSymbolicLink(Path.Combine(sample, "sample"), Path.Combine(Repository.Root, "activations", "sample"));
            foreach (string line in Lines())
            {
                if (!line.StartsWith(Prefix, StringComparison.Ordinal)) Assert.Fail($"the README has a command that this test cannot run: {line}");
                var clock = Stopwatch.StartNew();
                Results.Add((line, await CommandLine.RunAsync(Folder, line[Prefix.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries))));
                TestContext.Current.SendDiagnosticMessage($"{clock.Elapsed.TotalSeconds:F0} s: {line}");
            }
        }

        public ValueTask DisposeAsync()
        {
            Directory.Delete(Folder, recursive: true);
            return ValueTask.CompletedTask;
        }

        // Commands stand in ```sh fences; the test script is left out, because it is what runs this test.
        private static IEnumerable<string> Lines()
        {
            bool inside = false;
            string pending = "";
            foreach (string line in File.ReadLines(Path.Combine(Repository.Root, "README.md")))
            {
                if (line.StartsWith("```", StringComparison.Ordinal))
                {
                    inside = line == "```sh";
                    continue;
                }
                string command = line.Split('#')[0].Trim();
                if (!inside || command.Length == 0 || command == "./test.sh") continue;
                pending += command.TrimEnd('\\');
                if (command.EndsWith('\\')) continue;
                yield return pending;
                pending = "";
            }
        }
    }
}

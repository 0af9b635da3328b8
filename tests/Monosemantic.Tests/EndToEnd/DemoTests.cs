using Monosemantic.Cli;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>The demo's promises that need more than one run; on a small share of the text.</summary>
[Trait("kind", "slow")]
[Collection(Alone.Name)]
public sealed class DemoTests : IDisposable
{
    private static readonly DemoSettings Small = new() { Rows = 20_000, DSae = 256, K = 8, Tokens = 60_000 };
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-demo-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_same_seed_gives_the_same_report_and_another_seed_another()
    {
        Run("a", Small);
        Run("b", Small);
        Run("c", Small with { Seed = 1 });
        Assert.Equal(Report("a"), Report("b"));
        Assert.NotEqual(Report("a"), Report("c"));
    }

    [Theory]
    [InlineData("extract", 5_000)]
    [InlineData("train", 12)]
    [InlineData("scan", 1)]
    public void A_demo_that_was_stopped_resumes_to_the_same_report(string stage, long at)
    {
        Run("whole", Small);
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => new DemoRun(Path.Combine(folder, "stopped"), Small).Execute(resume: false, new StopAt(stage, at, stop), stop.Token));
        Assert.False(File.Exists(Path.Combine(folder, "stopped", "report.html")));
        Assert.Throws<UserErrorException>(() => Run("stopped", Small));
        Assert.Throws<UserErrorException>(() => new DemoRun(Path.Combine(folder, "stopped"), Small with { K = 4 }).Execute(resume: true, null, CancellationToken.None));

        new DemoRun(Path.Combine(folder, "stopped"), Small).Execute(resume: true, null, CancellationToken.None);

        Assert.Equal(Report("whole"), Report("stopped"));
    }

    private void Run(string name, DemoSettings settings) => new DemoRun(Path.Combine(folder, name), settings).Execute(resume: false, null, CancellationToken.None);

    private string Report(string name) => Hashing.OfFile(Path.Combine(folder, name, "report.html"));

    private sealed class StopAt(string stage, long at, CancellationTokenSource stop) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            if (value.Stage == stage && value.Done >= at) stop.Cancel();
        }
    }
}

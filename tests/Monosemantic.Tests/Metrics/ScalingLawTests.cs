using System.Collections.Immutable;
using Monosemantic.Metrics;
using Monosemantic.Metrics.Scaling;
using Monosemantic.Reports.Charts;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Metrics;

public sealed class ScalingLawTests
{
    [Fact]
    public void The_exponents_of_exact_laws_come_back()
    {
        ImmutableArray<PowerLawFit> fits = ScalingLaws.Fit([.. Grid([128, 256, 512], [1e5, 4e5]).Select(run => Run(run.Width, run.Tokens, 3 * Math.Pow(run.Width, -0.3) * Math.Pow(run.Tokens, -0.1)))]);
        Assert.Equal(["alpha", "beta"], fits[0].Exponents.Keys);
        Assert.Equal(0.3, fits[0].Exponents["alpha"].Value, 6);
        Assert.Equal(0.1, fits[0].Exponents["beta"].Value, 6);
        Assert.Equal(Math.Log(3), fits[0].LogFactor!.Value, 5);
        Assert.Equal(1, fits[0].R2!.Value, 9);
        Assert.Equal(3 * Math.Pow(200, -0.3) * Math.Pow(1e5, -0.1), fits[0].At(200, 1e5), 6);
        PowerLawFit alone = ScalingLaws.Fit([Run(128, 1e5, 0.4), Run(256, 1e5, 0.3), Run(512, 1e5, 0.225)])[0];
        Assert.Equal("width", alone.Name);
        Assert.Equal(Math.Log(4.0 / 3, 2), alone.Exponents["alpha"].Value, 9);
    }

    [Fact]
    public void Intervals_are_those_of_linear_regression()
    {
        // y = 0, 1, 0, 1 at x = 0, 1, 2, 3: slope 0.2, residual variance 0.4, so SE = sqrt(0.4 / 5) and t(2) = 4.303.
        ScalingPoint[] runs = [.. Enumerable.Range(0, 4).Select(x => Run((int)Math.Round(Math.Pow(2, x + 6)), 1e5, Math.Pow(2, x % 2 == 0 ? 0 : -1)))];
        Exponent alpha = ScalingLaws.Fit(runs)[0].Exponents["alpha"];
        Assert.Equal(0.2, alpha.Value, 9);
        Assert.Equal(4.3027 * Math.Sqrt(0.4 / 5), alpha.High!.Value - alpha.Value, 3);
        Assert.Equal(alpha.High.Value - alpha.Value, alpha.Value - alpha.Low!.Value, 9);
    }

    [Fact]
    public void The_intervals_cover_the_truth_about_as_often_as_they_say()
    {
        int covered = 0;
        for (int trial = 0; trial < 300; trial++)
        {
            var random = new SeededRandom(trial);
            ScalingPoint[] runs = [.. Grid([128, 256, 512, 1024], [1e5, 2e5, 4e5]).Select(run => Run(run.Width, run.Tokens, Math.Pow(run.Width, -0.2) * Math.Exp(0.05 * random.NextNormal())))];
            Exponent alpha = ScalingLaws.Fit(runs)[0].Exponents["alpha"];
            if (alpha.Low <= 0.2 && 0.2 <= alpha.High) covered++;
        }
        Assert.InRange(covered, 273, 297);
    }

    [Fact]
    public void What_runs_do_not_determine_is_undefined_with_the_reason()
    {
        Assert.Contains("1 runs", ScalingLaws.Fit([Run(128, 1e5, 0.4)])[0].Undefined);
        Assert.Contains("change together", ScalingLaws.Fit([Run(128, 1e5, 0.4), Run(256, 2e5, 0.3), Run(512, 4e5, 0.2)])[0].Undefined);
        PowerLawFit exact = ScalingLaws.Fit([Run(128, 1e5, 0.4), Run(256, 1e5, 0.3)])[0];
        Assert.Null(exact.Undefined);
        Assert.Null(exact.Exponents["alpha"].Low);
    }

    [Fact]
    public void The_frontier_holds_the_runs_that_no_cheaper_run_beats()
    {
        ScalingPoint[] runs = [Run(128, 1e5, 0.4), Run(256, 1e5, 0.45), Run(512, 1e5, 0.3), Run(128, 8e5, 0.31)];
        Assert.Equal([128, 512], ScalingLaws.Frontier(runs).Select(run => run.DSae));
    }

    [Fact]
    public void The_picture_is_whole_repeatable_and_loads_nothing()
    {
        ScalingPoint[] runs = [.. Grid([128, 256], [1e5, 2e5, 4e5]).Select(run => Run(run.Width, run.Tokens, 1 / Math.Sqrt(run.Width)))];
        var result = new ScalingResult("topk </script>", [.. runs], ScalingLaws.Fit(runs));
        string page = ScalingPage.Render(result);
        Assert.Equal(page, ScalingPage.Render(result));
        Assert.Contains("default-src 'none'", page);
        Assert.DoesNotContain("topk </script>", page);
        Assert.DoesNotContain("<script src", page);
        Assert.Equal(2, page.Split("id=\"figure-").Length - 1);
        ScalingResult read = JsonFile.Parse<ScalingResult>(System.Text.Encoding.UTF8.GetBytes(JsonFile.ToText(result)), "sweep.json");
        Assert.Equal(page, ScalingPage.Render(read));
    }

    private static IEnumerable<(int Width, double Tokens)> Grid(int[] widths, double[] tokens) => widths.SelectMany(width => tokens.Select(budget => (width, budget)));

    private static ScalingPoint Run(int width, double tokens, double loss) => new(
        width, (long)tokens, 0, 12.0 * 64 * width * tokens, new() { Value = loss, Low = loss * 0.98, High = loss * 1.02, Tokens = 1000, Split = "held_out", Unit = "", Better = Better.Lower, Formula = "fvu" }, 16, null, $"width-{width}");
}

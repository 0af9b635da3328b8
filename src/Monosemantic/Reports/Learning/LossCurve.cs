using System.Collections.Immutable;
using Monosemantic.Training;

namespace Monosemantic.Reports.Learning;

/// <summary>The loss over the iterations as inline SVG: every point names its numbers on hover, snapshots stand out.</summary>
/// <param name="record">The run.</param>
internal sealed class LossCurve(LineLearningRecord record)
{
    private const double Left = 52, Right = 650, Top = 14, Bottom = 236;
    private const int MostPoints = 240;
    private static readonly int[] RoundSteps = [1, 2, 5, 10];
    private readonly int last = Math.Max(1, record.Losses.Length);

    // From the untrained model on.
    private readonly ImmutableArray<IterationLoss> points = [new(0, record.UntrainedLoss), .. record.Losses];

    private readonly (double Low, double High, double Step) scale = Scale(
        [record.UniformLoss, record.FrequencyLoss, record.UntrainedLoss, .. record.Losses.Select(loss => loss.Loss)]);

    /// <summary>The points that are drawn and tabled: all of them, or evenly chosen ones with the first, the last and the snapshots.</summary>
    internal IEnumerable<IterationLoss> Shown
    {
        get
        {
            int every = (points.Length + MostPoints - 1) / MostPoints;
            return points.Where(point => point.Iteration % every == 0 || point.Iteration == points.Length - 1 || IsSnapshot(point));
        }
    }

    /// <summary>The drawing.</summary>
    internal Markup Draw() => Markup.Of($"""
        <svg class="chart curve" viewBox="0 0 880 276" role="img" aria-label="{Label()}">
        {Ticks().Select(Gridline)}<line class="axis" x1="{C(Left)}" y1="{C(Bottom)}" x2="{C(Right)}" y2="{C(Bottom)}"/>
        {IterationTicks().Select(IterationTick)}<text class="name" x="{C((Left + Right) / 2)}" y="270" text-anchor="middle">iterations (passes over the text)</text>
        {Reference(record.UniformLoss, "all characters alike", record.FrequencyLoss)}{Reference(record.FrequencyLoss, "by frequency alone", record.UniformLoss)}
        <polyline class="loss" points="{string.Join(" ", points.Select(point => $"{C(X(point.Iteration))},{C(Y(point.Loss))}"))}"/>
        {Shown.Select(Point)}
        </svg>
        """);

    /// <summary>What a point is called: the loss of the untrained model is measured otherwise than that of an iteration.</summary>
    internal static string Name(IterationLoss point) => point.Iteration == 0 ? "untrained" : $"iteration {Numbers.Count(point.Iteration)}";

    /// <summary>A loss as exact as it is.</summary>
    internal static string Exact(double loss) => loss.ToString("R", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Whether the model was looked at after the iteration.</summary>
    internal bool IsSnapshot(IterationLoss point) => record.Snapshots.Any(snapshot => snapshot.Iteration == point.Iteration);

    private string Label() =>
        $"Loss curve: {Numbers.Short(record.UntrainedLoss)} nats per character untrained, {Numbers.Short(points[^1].Loss)} at the end, after {Numbers.Count(record.Losses.Length)} iterations. The table below has the numbers.";

    // Around all values, by a round step.
    private static (double Low, double High, double Step) Scale(double[] values)
    {
        double low = values.Min(), high = values.Max(), range = Math.Max(high - low, 0.01);
        double power = Math.Pow(10, Math.Floor(Math.Log10(range / 4)));
        double step = RoundSteps.Select(factor => factor * power).First(candidate => range / candidate <= 5);
        return (Math.Floor(low / step) * step, Math.Ceiling(high / step) * step, step);
    }

    private IEnumerable<double> Ticks()
    {
        for (int i = 0; scale.Low + (i * scale.Step) <= scale.High + (scale.Step / 2); i++) yield return scale.Low + (i * scale.Step);
    }

    private IEnumerable<int> IterationTicks()
    {
        int power = (int)Math.Pow(10, Math.Floor(Math.Log10(Math.Max(1, last / 5.0))));
        int step = RoundSteps.Select(factor => factor * power).First(candidate => last / candidate <= 10);
        for (int at = 0; at <= last; at += step) yield return at;
    }

    private Markup Gridline(double value) => Markup.Of($"""
        <line class="grid" x1="{C(Left)}" y1="{C(Y(value))}" x2="{C(Right)}" y2="{C(Y(value))}"/><text class="tick" x="{C(Left - 7)}" y="{C(Y(value) + 4)}" text-anchor="end">{Numbers.Short(value)}</text>

        """);

    private Markup IterationTick(int at) => Markup.Of($"""
        <text class="tick" x="{C(X(at))}" y="{C(Bottom + 16)}" text-anchor="middle">{Numbers.Count(at)}</text>

        """);

    // Its name stands at its height; where two references would meet, the upper one's is moved up and the lower one's down.
    private Markup Reference(double value, string name, double other) => Markup.Of($"""
        <line class="marker" x1="{C(Left)}" y1="{C(Y(value))}" x2="{C(Right)}" y2="{C(Y(value))}"/><text class="reference" x="{C(Right + 8)}" y="{C(Y(value) + 4 + Apart(value, other))}">{Numbers.Short(value)} {name}</text>

        """);

    private double Apart(double value, double other)
    {
        double missing = 14 - Math.Abs(Y(value) - Y(other));
        return missing <= 0 ? 0 : (value >= other ? -missing : missing) / 2;
    }

    private Markup Point(IterationLoss point) => Markup.Of($"""
        <circle class="{(IsSnapshot(point) ? "point snapshot" : "point")}" cx="{C(X(point.Iteration))}" cy="{C(Y(point.Loss))}" r="{(IsSnapshot(point) ? "5" : "2.5")}"><title>{Name(point)}: {Exact(point.Loss)} nats per character</title></circle>

        """);

    private double X(double iteration) => Left + ((Right - Left) * iteration / last);

    private double Y(double loss) => Bottom - ((Bottom - Top) * (loss - scale.Low) / (scale.High - scale.Low));

    private static string C(double value) => Numbers.Coordinate(value);
}

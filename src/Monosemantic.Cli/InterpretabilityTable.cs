using Monosemantic.Metrics.Probing;

namespace Monosemantic.Cli;

/// <summary>What probes and scores found, as printed tables.</summary>
internal static class InterpretabilityTable
{
    private static readonly string[] Probes = ["features_k1", "features_k2", "features_k5", "features_k20", "raw_k1", "raw_k20", "raw_all"];

    internal static IEnumerable<string> Lines(InterpretabilityResult result)
    {
        yield return $"probes: accuracy on held-out examples, half of them yes ({result.TrainRows:N0} training and {result.TestRows:N0} held-out tokens sampled)";
        int width = result.Probing.Tasks.Select(task => task.Task.Length).DefaultIfEmpty(4).Max();
        yield return $"  {"".PadRight(width)}{string.Concat(Probes.Select(probe => $"{probe,14}"))}";
        yield return $"  {"mean".PadRight(width)}{string.Concat(Probes.Select(probe => $"{Short(result.Probing.Mean[probe].Value),14}"))}";
        foreach (ProbeTaskResult task in result.Probing.Tasks)
        {
            yield return task.Undefined is { } reason ? $"  {task.Task.PadRight(width)}  undefined ({reason})" : $"  {task.Task.PadRight(width)}{string.Concat(Probes.Select(probe => $"{Short(task.Accuracy[probe].Value),14}"))}";
        }
        yield return $"spelling and absorption: {result.FirstLetters.Letters.Count(letter => letter.Undefined is null)} letters count";
        foreach ((string name, var number) in result.FirstLetters.Numbers) yield return $"  {name,-26}{EvaluationTable.Value(number)}";
        yield return "single units: medians over units that fire equally often";
        foreach (var score in result.UnitScores.Distributions.GroupBy(found => found.Score))
        {
            yield return $"  {score.Key,-26}{string.Join("   ", score.Select(found => $"{found.Kind.Replace('_', ' ')} {EvaluationTable.Value(found.Median)}"))}";
        }
    }

    private static string Short(double? value) => value is { } number ? $"{number:F3}" : "undefined";
}

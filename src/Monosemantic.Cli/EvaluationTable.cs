using Monosemantic.Metrics;

namespace Monosemantic.Cli;

/// <summary>Evaluation results as printed tables.</summary>
internal static class EvaluationTable
{
    private static readonly string[] Beside = ["fvu", "explained_variance", "cosine_similarity", "mse_per_vector", "ce_increase", "kl_spliced", "top1_agreement"];

    /// <summary>The short list: what the demo shows.</summary>
    internal static IEnumerable<(string Label, string Value)> Rows(EvaluationResult result)
    {
        yield return ("FVU", result.Fvu is { } fvu ? $"{fvu:F4}" : "undefined (the rows do not vary)");
        yield return ("L0", $"{result.L0:F2}");
        yield return ("dead fraction", $"{result.DeadFraction:F4}");
        yield return ("cosine similarity", result.CosineSimilarity is { } cosine ? $"{cosine:F4}" : "undefined (a norm is 0)");
        if (result.CrossEntropy is not { } ce) yield break;
        yield return ("cross-entropy, nats/token", $"original {ce.Original:F4}, spliced {ce.Spliced:F4}, zero ablation {ce.ZeroAblation:F4} ({ce.Tokens:N0} tokens)");
        yield return ("cross-entropy recovered", ce.Recovered is { } recovered ? $"{recovered:F4}  (zero - spliced) / (zero - original)" : "undefined (zero ablation costs nothing)");
    }

    /// <summary>Every number with its interval, tokens and split.</summary>
    internal static IEnumerable<string> Numbers(EvaluationResult result)
    {
        yield return $"held out: {result.Rows:N0} rows of {result.Documents:N0} documents; 95 % intervals from {result.Intervals.Resamples:N0} resamples of documents";
        foreach (string line in Lines(result.Numbers)) yield return line;
        if (result.GroundTruth is null) yield break;
        yield return "against the truth";
        foreach (string line in Lines(result.GroundTruth)) yield return line;
    }

    private static IEnumerable<string> Lines(IReadOnlyDictionary<string, MetricValue> numbers)
    {
        int width = numbers.Keys.Max(name => name.Length);
        foreach ((string name, MetricValue number) in numbers)
        {
            string basis = number.Tokens > 0 ? $"{number.Tokens:N0} tokens, {number.Split.Replace('_', ' ')}" : number.Split;
            yield return $"  {name.PadRight(width)}  {Value(number),-36} {basis}{(number.Unit.Length > 0 ? $"; {number.Unit}" : "")}";
        }
    }

    /// <summary>The dictionary beside its baselines: name, whether it beats it (null where neither), and the printed line.</summary>
    internal static IEnumerable<(bool? Beaten, string Line)> Baselines(EvaluationResult result)
    {
        if (result.Baselines.IsEmpty) yield break;
        IReadOnlyDictionary<string, MetricValue> own = result.Baselines[0].Numbers;
        string[] shown = [.. Beside.Where(own.ContainsKey)];
        yield return (null, $"baselines, on the first {own["fvu"].Tokens:N0} held-out rows{(own.TryGetValue("ce_spliced", out MetricValue? spliced) ? $" and {spliced.Tokens:N0} predictions" : "")}");
        yield return (null, $"  {"",-18}{string.Concat(shown.Select(name => $"{name,20}"))}");
        bool all = result.Baselines.All(baseline => baseline.Beaten != false);
        foreach (BaselineResult baseline in result.Baselines)
        {
            bool dictionary = baseline == result.Baselines[0];
            string verdict = dictionary && !all ? "  DOES NOT BEAT every baseline" : baseline.Beaten == false ? "  NOT BEATEN: at least as good as the dictionary" : "";
            string cells = string.Concat(shown.Select(name => $"{(baseline.Numbers[name].Value is { } value ? $"{value:F4}" : "undefined"),20}"));
            yield return (dictionary && !all ? false : baseline.Beaten, $"  {baseline.Name,-18}{cells}{verdict}");
        }
    }

    /// <summary>A number with its interval, or why it has none.</summary>
    internal static string Value(MetricValue number) => number switch
    {
        { Value: null } => $"undefined ({number.Undefined})",
        { Value: { } value, Low: { } low, High: { } high } => $"{Short(value)}  [{Short(low)}, {Short(high)}]",
        _ => Short(number.Value.Value),
    };

    private static string Short(double value) => Math.Abs(value) is 0 or (>= 0.001 and < 100_000) ? $"{value:0.####}" : $"{value:0.###E+0}";
}

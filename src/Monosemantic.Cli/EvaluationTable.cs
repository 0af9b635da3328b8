using Monosemantic.Metrics;

namespace Monosemantic.Cli;

/// <summary>Evaluation results as the rows of a printed table.</summary>
internal static class EvaluationTable
{
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
}

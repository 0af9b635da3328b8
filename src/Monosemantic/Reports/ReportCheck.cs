using System.Collections.Immutable;
using Monosemantic.Features;
using Monosemantic.Runtime;

namespace Monosemantic.Reports;

/// <summary>Refuses data that a page would show wrongly rather than not at all: they may come from a file that was edited or cut.</summary>
internal static class ReportCheck
{
    /// <summary>Reports the first contradictions.</summary>
    /// <param name="data">The report's data.</param>
    public static void Check(ReportData data)
    {
        string[] problems = [.. Problems(data.Features, UnitKind.Feature).Concat(Problems(data.Neurons, UnitKind.Neuron)).Take(5)];
        if (problems.Length > 0) throw new UserErrorException($"the report's data contradict themselves: {string.Join("; ", problems)}", "scan the activations again and make the report from that");
    }

    private static IEnumerable<string> Problems(ImmutableArray<UnitEvidence> units, UnitKind kind)
    {
        var seen = new HashSet<int>();
        foreach (UnitEvidence unit in units)
        {
            string name = $"{unit.Kind.ToString().ToLowerInvariant()} {unit.Index}";
            if (unit.Kind != kind) yield return $"{name} stands among the {kind.ToString().ToLowerInvariant()}s";
            if (!seen.Add(unit.Index)) yield return $"{name} is there twice";
            foreach (ContextEvidence context in unit.Contexts.Where(c => !IsWhole(c)))
                yield return $"{name} has a context of {context.Tokens.Length} tokens, {context.Activations.Length} activations and its peak at {context.Peak}";
        }
    }

    private static bool IsWhole(ContextEvidence context) =>
        context.Tokens.Length == context.Activations.Length && (uint)context.Peak < (uint)context.Tokens.Length;
}

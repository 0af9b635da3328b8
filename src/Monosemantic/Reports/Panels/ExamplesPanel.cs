using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Reports.Panels;

/// <summary>One unit in a few words.</summary>
/// <param name="Kind">Feature or neuron.</param>
/// <param name="Index">Its index.</param>
/// <param name="Rank">Percent of its kind that have a lower token entropy.</param>
/// <param name="Entropy">Its token entropy in bits.</param>
/// <param name="Tokens">Texts of the first tokens that fire it.</param>
/// <param name="Context">Its strongest context: the text before the peak, the peak, and the text after; empty where there is none.</param>
public sealed record Example(UnitKind Kind, int Index, int Rank, double Entropy, ImmutableArray<string> Tokens, ImmutableArray<string> Context);

/// <summary>Units chosen by rank and not by taste.</summary>
/// <param name="Features">The features.</param>
/// <param name="Neurons">The neurons; empty where none were scanned.</param>
public sealed record ExamplesContent(ImmutableArray<Example> Features, ImmutableArray<Example> Neurons);

/// <summary>A few features beside a few neurons, at the same ranks of token entropy, so that neither side is picked to please.</summary>
public sealed class ExamplesPanel : Panel<ExamplesContent>
{
    // Entropy is bounded by the logarithm of the firings: a unit that hardly fires would look clear for that reason alone.
    private const int FewestFirings = 50;
    private const int Reach = 10;

    private static readonly int[] Ranks = [5, 25, 50, 75, 95];

    /// <inheritdoc/>
    public override string Id => "examples";

    /// <inheritdoc/>
    public override string Title => "Examples at fixed ranks";

    /// <inheritdoc/>
    public override ExamplesContent? Build(ReportData data)
    {
        ImmutableArray<Example> features = Choose(data.Features, data), neurons = Choose(data.Neurons, data);
        return features.IsEmpty ? null : new(features, neurons);
    }

    /// <inheritdoc/>
    public override Markup Render(ExamplesContent content) => Markup.Of($"""
        <p class="note">Not picked by hand: those at 5, 25, 50, 75 and 95 % of their kind in order of token entropy, among units with at least {FewestFirings} firings. Tokens that fire each most, and its strongest context.</p>
        <div class="examples">{Column("Features", content.Features)}{(content.Neurons.IsEmpty ? Markup.Empty : Column("Neurons", content.Neurons))}</div>
        """);

    private static ImmutableArray<Example> Choose(ImmutableArray<UnitEvidence> units, ReportData data)
    {
        UnitEvidence[] ordered = [.. units.Where(u => u.Firings >= FewestFirings && u.TokenEntropy is { } bits && double.IsFinite(bits))
            .OrderBy(u => u.TokenEntropy).ThenBy(u => u.Index)];
        if (ordered.Length < Ranks.Length) return [];
        return [.. Ranks.Select(rank => Describe(ordered[(ordered.Length - 1) * rank / 100], rank, id => TokenMarkup.Text(id, data)))];
    }

    private static Example Describe(UnitEvidence unit, int rank, Func<int, string> text) => new(
        unit.Kind,
        unit.Index,
        rank,
        Numbers.Rounded(unit.TokenEntropy, 3)!.Value,
        [.. unit.Tokens.Take(8).Select(t => text(t.Token))],
        unit.Contexts.IsEmpty ? [] : TokenMarkup.AroundPeak(unit.Contexts[0], Reach, text));

    private static Markup Column(string heading, ImmutableArray<Example> examples) => Markup.Of($"""
        <div><h3>{heading}</h3><ul>{examples.Select(Item)}</ul></div>
        """);

    private static Markup Item(Example example)
    {
        string kind = example.Kind == UnitKind.Feature ? "feature" : "neuron";
        return Markup.Of($"""
            <li><div><a href="#{kind}={example.Index}">{(kind == "feature" ? "Feature" : "Neuron")} {example.Index}</a><small>{Numbers.Short(example.Entropy)} bits, {example.Rank} %</small></div>
            <p>{example.Tokens.Select(t => Markup.Of($"{TokenMarkup.Chip(t)} "))}</p>{Context(example.Context)}</li>
            """);
    }

    private static Markup Context(ImmutableArray<string> parts) => parts.IsEmpty ? Markup.Empty : Markup.Of($"""
        <p class="context">…{parts[0]}<mark class="peak"><span class="ink">{parts[1]}</span></mark>{parts[2]}…</p>
        """);
}

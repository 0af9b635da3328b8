using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Monosemantic.Features;

namespace Monosemantic.Reports.Panels;

/// <summary>The tokens that fire a unit, a column each, most of its total activation first.</summary>
/// <param name="Token">Token ids.</param>
/// <param name="Count">Positions holding the token at which the unit fires.</param>
/// <param name="Occurrences">Positions holding the token.</param>
/// <param name="Mean">Mean activation over the firings.</param>
/// <param name="Max">Largest activation.</param>
public sealed record TokenColumns(
    [property: JsonPropertyName("t")] ImmutableArray<int> Token,
    [property: JsonPropertyName("n")] ImmutableArray<long> Count,
    [property: JsonPropertyName("of")] ImmutableArray<long> Occurrences,
    [property: JsonPropertyName("mean")] ImmutableArray<double?> Mean,
    [property: JsonPropertyName("max")] ImmutableArray<double?> Max);

/// <summary>A stretch of text with activations in thousandths of the unit's scale.</summary>
/// <param name="Document">Index of the document.</param>
/// <param name="Start">Index of the first token among the document's tokens.</param>
/// <param name="Peak">Index, within the stretch, of its strongest firing.</param>
/// <param name="Tokens">Token ids.</param>
/// <param name="Levels">Pairs: how many tokens without activation come first, then the activation of the next in thousandths of the scale.</param>
public sealed record ContextLine(
    [property: JsonPropertyName("d")] int Document,
    [property: JsonPropertyName("s")] int Start,
    [property: JsonPropertyName("p")] int Peak,
    [property: JsonPropertyName("t")] ImmutableArray<int> Tokens,
    [property: JsonPropertyName("a")] ImmutableArray<int> Levels);

/// <summary>Tokens whose logits a unit moves, and by how much per unit of activation.</summary>
/// <param name="Token">Token ids, strongest effect first.</param>
/// <param name="Logit">Direct effects on their logits.</param>
public sealed record LogitColumns(
    [property: JsonPropertyName("t")] ImmutableArray<int> Token,
    [property: JsonPropertyName("v")] ImmutableArray<double?> Logit);

/// <summary>Everything on one unit's page that the list does not have, one line of JSON in the report.</summary>
/// <param name="Scale">What a thousand thousandths stand for: the largest activation of its contexts.</param>
/// <param name="Tokens">Tokens that fire it.</param>
/// <param name="Contexts">Its strongest contexts.</param>
/// <param name="Histogram">Firings by activation, in equal bins of the logarithm.</param>
/// <param name="HistogramLow">log10 of the activation at the histogram's lower edge.</param>
/// <param name="HistogramHigh">log10 of the activation at its upper edge.</param>
/// <param name="Promoted">Tokens whose logits it raises.</param>
/// <param name="Suppressed">Tokens whose logits it lowers.</param>
public sealed record UnitPage(
    [property: JsonPropertyName("scale")] double Scale,
    [property: JsonPropertyName("tokens")] TokenColumns Tokens,
    [property: JsonPropertyName("contexts")] ImmutableArray<ContextLine> Contexts,
    [property: JsonPropertyName("hist")] ImmutableArray<long> Histogram,
    [property: JsonPropertyName("low")] double? HistogramLow,
    [property: JsonPropertyName("high")] double? HistogramHigh,
    [property: JsonPropertyName("up")] LogitColumns Promoted,
    [property: JsonPropertyName("down")] LogitColumns Suppressed);

/// <summary>The pages of all units, in the order of the list's columns.</summary>
/// <param name="Features">The features' pages.</param>
/// <param name="Neurons">The neurons' pages.</param>
public sealed record UnitPageContent(ImmutableArray<UnitPage> Features, ImmutableArray<UnitPage> Neurons);

/// <summary>The page of one feature or neuron, drawn by the script from its line of data when it is opened.</summary>
public sealed class UnitPagePanel : Panel<UnitPageContent>
{
    private const double Steps = 1000;

    /// <inheritdoc/>
    public override string Id => "unit";

    /// <inheritdoc/>
    public override string Title => "One unit";

    /// <inheritdoc/>
    public override bool InOverview => false;

    /// <inheritdoc/>
    public override UnitPageContent Build(ReportData data) => new([.. data.Features.Select(Page)], [.. data.Neurons.Select(Page)]);

    /// <inheritdoc/>
    public override Markup Render(UnitPageContent content) => Markup.Of($"""
        <article id="unit" class="unit" tabindex="-1" hidden></article>
        <div id="readout" class="readout" aria-hidden="true" hidden></div>
        <div id="announce" class="unseen" role="status"></div>
        {Markup.Data("feature-pages", content.Features)}{Markup.Data("neuron-pages", content.Neurons)}
        """);

    private static UnitPage Page(UnitEvidence unit)
    {
        float largest = unit.Contexts.SelectMany(c => c.Activations).Where(float.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
        double scale = largest > 0 ? Numbers.Rounded(largest)!.Value : 1;
        return new(
            scale,
            Columns(unit.Tokens),
            [.. unit.Contexts.Select(c => new ContextLine(c.Document, c.Start, c.Peak, c.Tokens, Levels(c.Activations, scale)))],
            unit.Histogram,
            Numbers.Rounded(unit.HistogramLow),
            Numbers.Rounded(unit.HistogramHigh),
            Effects(unit.Promoted),
            Effects(unit.Suppressed));
    }

    private static TokenColumns Columns(ImmutableArray<TokenEvidence> tokens) => new(
        [.. tokens.Select(t => t.Token)],
        [.. tokens.Select(t => t.Count)],
        [.. tokens.Select(t => t.Occurrences)],
        [.. tokens.Select(t => Numbers.Rounded(t.Mean))],
        [.. tokens.Select(t => Numbers.Rounded(t.Max))]);

    private static LogitColumns Effects(ImmutableArray<LogitEffect> effects) =>
        new([.. effects.Select(e => e.Token)], [.. effects.Select(e => Numbers.Rounded(e.Logit))]);

    private static ImmutableArray<int> Levels(ImmutableArray<float> activations, double scale)
    {
        var pairs = ImmutableArray.CreateBuilder<int>();
        int gap = 0;
        foreach (float activation in activations)
        {
            if (activation == 0 || !float.IsFinite(activation))
            {
                gap++;
                continue;
            }
            pairs.Add(gap);
            pairs.Add(Level(activation / scale));
            gap = 0;
        }
        return pairs.ToImmutable();
    }

    // A firing never rounds to none: the smallest level is one thousandth.
    private static int Level(double share)
    {
        int level = (int)Math.Round(share * Steps);
        return level != 0 ? level : Math.Sign(share);
    }
}

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
/// <param name="AblationLoss">Rise of the next token's loss without the unit at the peak, nats; left out where not measured.</param>
public sealed record ContextLine(
    [property: JsonPropertyName("d")] int Document,
    [property: JsonPropertyName("s")] int Start,
    [property: JsonPropertyName("p")] int Peak,
    [property: JsonPropertyName("t")] ImmutableArray<int> Tokens,
    [property: JsonPropertyName("a")] ImmutableArray<int> Levels,
    [property: JsonPropertyName("x"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? AblationLoss = null);

/// <summary>Contexts drawn at random from one fifth of a unit's firings.</summary>
/// <param name="Low">Lower bound of the activations.</param>
/// <param name="High">Upper bound of the activations.</param>
/// <param name="Share">Share of the unit's firings between them.</param>
/// <param name="Contexts">The contexts.</param>
public sealed record GroupLine(
    [property: JsonPropertyName("low")] double? Low,
    [property: JsonPropertyName("high")] double? High,
    [property: JsonPropertyName("share")] double? Share,
    [property: JsonPropertyName("c")] ImmutableArray<ContextLine> Contexts);

/// <summary>Units close to a unit in one respect, closest first.</summary>
/// <param name="Relation">cosine, correlation or co-firing.</param>
/// <param name="Kind">feature or neuron.</param>
/// <param name="Index">Their indices.</param>
/// <param name="Value">Cosine, correlation or share.</param>
public sealed record NeighbourColumns(
    [property: JsonPropertyName("r")] string Relation,
    [property: JsonPropertyName("k")] string Kind,
    [property: JsonPropertyName("i")] ImmutableArray<int> Index,
    [property: JsonPropertyName("v")] ImmutableArray<double?> Value);

/// <summary>Effects on all logits, counted in equal bins.</summary>
/// <param name="Low">Lower edge.</param>
/// <param name="High">Upper edge.</param>
/// <param name="Counts">Tokens in each bin.</param>
public sealed record LogitBins(
    [property: JsonPropertyName("low")] double? Low,
    [property: JsonPropertyName("high")] double? High,
    [property: JsonPropertyName("n")] ImmutableArray<int> Counts);

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
/// <param name="Quantiles">Activations at <see cref="FeatureScanOptions.QuantileLevels"/>.</param>
/// <param name="Groups">Contexts from each fifth of its firings, the strongest fifth first.</param>
/// <param name="Neighbours">Units close to it.</param>
/// <param name="Logits">Effects on all logits; null without any.</param>
public sealed record UnitPage(
    [property: JsonPropertyName("scale")] double Scale,
    [property: JsonPropertyName("tokens")] TokenColumns Tokens,
    [property: JsonPropertyName("contexts")] ImmutableArray<ContextLine> Contexts,
    [property: JsonPropertyName("hist")] ImmutableArray<long> Histogram,
    [property: JsonPropertyName("low")] double? HistogramLow,
    [property: JsonPropertyName("high")] double? HistogramHigh,
    [property: JsonPropertyName("up")] LogitColumns Promoted,
    [property: JsonPropertyName("down")] LogitColumns Suppressed,
    [property: JsonPropertyName("q")] ImmutableArray<double?> Quantiles,
    [property: JsonPropertyName("groups")] ImmutableArray<GroupLine> Groups,
    [property: JsonPropertyName("near")] ImmutableArray<NeighbourColumns> Neighbours,
    [property: JsonPropertyName("lh")] LogitBins? Logits);

/// <summary>The pages of all units, in the order of the list's columns.</summary>
/// <param name="Features">The features' pages.</param>
/// <param name="Neurons">The neurons' pages.</param>
public sealed record UnitPageContent(ImmutableArray<UnitPage> Features, ImmutableArray<UnitPage> Neurons);

/// <summary>The page of one feature or neuron, drawn by the script from its line of data when it is opened.</summary>
public sealed class UnitPagePanel : Panel<UnitPageContent>
{
    /// <summary>Pages that are unpacked together.</summary>
    internal const int PagesPerBlock = 64;

    /// <summary>Units whose tokens are unpacked together; whole blocks of pages.</summary>
    internal const int TextsPerBlock = 8 * PagesPerBlock;

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
        {Packed("feature", content.Features)}{Packed("neuron", content.Neurons)}
        """);

    // The tokens apart from the pages: a search looks through them, and through nothing else.
    private static Markup Packed(string kind, ImmutableArray<UnitPage> pages) => Markup.Of($"""
        {Markup.Packed($"{kind}-texts", pages.Chunk(TextsPerBlock).Select(UnitTexts.Of))}{Markup.Packed($"{kind}-pages", pages.Select(UnitTexts.Without), PagesPerBlock)}
        """);

    private static UnitPage Page(UnitEvidence unit)
    {
        float largest = unit.Contexts.Concat(unit.Groups.SelectMany(g => g.Contexts)).SelectMany(c => c.Activations).Where(float.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
        double scale = largest > 0 ? Numbers.Rounded(largest)!.Value : 1;
        return new(
            scale,
            Columns(unit.Tokens),
            Lines(unit.Contexts, scale),
            unit.Histogram,
            Numbers.Rounded(unit.HistogramLow),
            Numbers.Rounded(unit.HistogramHigh),
            Effects(unit.Promoted),
            Effects(unit.Suppressed),
            [.. unit.Quantiles.Select(q => Numbers.Rounded(q, 3))],
            [.. unit.Groups.Select(g => new GroupLine(Numbers.Rounded(g.Low, 3), Numbers.Rounded(g.High, 3), Numbers.Rounded(g.Share, 3), Lines(g.Contexts, scale)))],
            [.. unit.Neighbours.GroupBy(n => (n.Relation, n.Kind)).Select(Near)],
            unit.Logits is { } logits ? new(Numbers.Rounded(logits.Low, 3), Numbers.Rounded(logits.High, 3), logits.Counts) : null);
    }

    private static ImmutableArray<ContextLine> Lines(ImmutableArray<ContextEvidence> contexts, double scale) =>
        [.. contexts.Select(c => new ContextLine(c.Document, c.Start, c.Peak, c.Tokens, Levels(c.Activations, scale), Numbers.Rounded(c.AblationLoss, 3)))];

    private static NeighbourColumns Near(IGrouping<(Relation Relation, UnitKind Kind), NeighbourEvidence> group) => new(
        group.Key.Relation switch { Relation.Cosine => "cosine", Relation.Correlation => "correlation", _ => "co-firing" },
        group.Key.Kind == UnitKind.Feature ? "feature" : "neuron",
        [.. group.Select(n => n.Index)],
        [.. group.Select(n => Numbers.Rounded(n.Value, 3))]);

    private static TokenColumns Columns(ImmutableArray<TokenEvidence> tokens) => new(
        [.. tokens.Select(t => t.Token)],
        [.. tokens.Select(t => t.Count)],
        [.. tokens.Select(t => t.Occurrences)],
        [.. tokens.Select(t => Numbers.Rounded(t.Mean, 3))],
        [.. tokens.Select(t => Numbers.Rounded(t.Max, 3))]);

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

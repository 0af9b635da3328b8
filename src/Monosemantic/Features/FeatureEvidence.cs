using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>What kind of unit the evidence is about.</summary>
public enum UnitKind
{
    /// <summary>A direction of a dictionary.</summary>
    Feature,

    /// <summary>A raw neuron of the model: one dimension of a hook point.</summary>
    Neuron,
}

/// <summary>How one token fires a unit.</summary>
/// <param name="Token">Token id.</param>
/// <param name="Count">Scanned positions holding this token at which the unit fires.</param>
/// <param name="Occurrences">Scanned positions holding this token. <c>Count / Occurrences</c> is the share of the token's occurrences.</param>
/// <param name="Mean">Mean activation over the <paramref name="Count"/> firings.</param>
/// <param name="Max">Largest activation.</param>
public readonly record struct TokenEvidence(int Token, long Count, long Occurrences, double Mean, double Max);

/// <summary>A stretch of text around a firing.</summary>
/// <param name="Document">Index of the document.</param>
/// <param name="Start">Index of the stretch's first token among the document's tokens.</param>
/// <param name="Peak">Index, within the stretch, of the token that brought it here (its strongest firing).</param>
/// <param name="Tokens">Token ids of the stretch.</param>
/// <param name="Activations">The unit's activation at each token, 0 where it does not fire.</param>
/// <param name="AblationLoss">
/// By how many nats the loss of the token after the peak rises when the unit's contribution is taken away at the peak, the
/// model reading this stretch alone; null where it was not measured.
/// </param>
public sealed record ContextEvidence(int Document, int Start, int Peak, ImmutableArray<int> Tokens, ImmutableArray<float> Activations, double? AblationLoss = null);

/// <summary>Contexts drawn at random from the firings of one range of activations.</summary>
/// <param name="Low">Lower bound of the range.</param>
/// <param name="High">Upper bound of the range; belongs to it in the highest group only.</param>
/// <param name="Share">Share of the unit's firings that lie in the range, 0 to 1.</param>
/// <param name="Contexts">The contexts, strongest first; the peak is the firing that was drawn, not always the strongest shown.</param>
public sealed record ContextGroup(double Low, double High, double Share, ImmutableArray<ContextEvidence> Contexts);

/// <summary>One firing.</summary>
/// <param name="Document">Index of the document.</param>
/// <param name="Position">Index of the token among the document's tokens.</param>
/// <param name="Token">Token id.</param>
/// <param name="Activation">The activation.</param>
public readonly record struct FiringEvidence(int Document, int Position, int Token, float Activation);

/// <summary>How often a direction moves a token's logit by so much: equal bins between the smallest and the largest effect over the vocabulary.</summary>
/// <param name="Low">Smallest effect: lower edge of the first bin.</param>
/// <param name="High">Largest effect: upper edge of the last bin.</param>
/// <param name="Counts">Tokens in each bin.</param>
public sealed record LogitHistogram(double Low, double High, ImmutableArray<int> Counts);

/// <summary>What makes one unit another's neighbour.</summary>
public enum Relation
{
    /// <summary>Cosine of the decoder directions.</summary>
    Cosine,

    /// <summary>Pearson correlation of the activations over all scanned rows, 0 where a unit does not fire.</summary>
    Correlation,

    /// <summary>Share of the unit's firings at which the neighbour fires too.</summary>
    CoFiring,
}

/// <summary>A unit close to another one.</summary>
/// <param name="Relation">In what respect.</param>
/// <param name="Kind">Feature or neuron.</param>
/// <param name="Index">Its index.</param>
/// <param name="Value">The cosine, correlation or share.</param>
/// <param name="Together">Rows at which both fire; null where that is not counted.</param>
public readonly record struct NeighbourEvidence(Relation Relation, UnitKind Kind, int Index, double Value, long? Together);

/// <summary>A place in a drawing of the dictionary.</summary>
/// <param name="X">First coordinate.</param>
/// <param name="Y">Second coordinate.</param>
public sealed record MapPoint(double X, double Y);

/// <summary>How much a unit's direction adds to a token's logit, per unit of activation.</summary>
/// <param name="Token">Token id.</param>
/// <param name="Logit">Direct effect on the token's logit.</param>
public readonly record struct LogitEffect(int Token, double Logit);

/// <summary>Everything that one pass over the activations learned about one feature or neuron.</summary>
public sealed record UnitEvidence
{
    /// <summary>Feature or neuron.</summary>
    public required UnitKind Kind { get; init; }

    /// <summary>Index in the dictionary, or dimension of the hook point.</summary>
    public required int Index { get; init; }

    /// <summary>Scanned positions at which it fires.</summary>
    public required long Firings { get; init; }

    /// <summary>Share of scanned positions at which it fires, 0 to 1.</summary>
    public required double Density { get; init; }

    /// <summary>Mean activation over its firings; 0 if it never fires.</summary>
    public required double Mean { get; init; }

    /// <summary>Largest activation; 0 if it never fires.</summary>
    public required double Max { get; init; }

    /// <summary>
    /// Entropy in bits of the distribution of its total activation over token ids: 0 when one token alone fires it. Low means
    /// that the unit is about few tokens; undefined (null) if it never fires.
    /// </summary>
    public required double? TokenEntropy { get; init; }

    /// <summary>
    /// Largest share of its firings that is on one token id: 1 where one token alone fires it; undefined (null) if it never
    /// fires. A lower bound where its rare tokens were forgotten.
    /// </summary>
    public double? Purity { get; init; }

    /// <summary>
    /// How far the tokens of its weaker firings are those of its strongest: the mean overlap of the token shares in each lower
    /// tenth of <see cref="Sample"/>, by activation, with those in the top tenth, 0 to 1; null with fewer than 20 firings.
    /// </summary>
    public double? DecileConsistency { get; init; }

    /// <summary>Share of the entropy of its firing that the token explains on held-out rows, from the evaluation; null where that did not score it.</summary>
    public double? TokenPredictability { get; init; }

    /// <summary>The same, by the token and the two before it: what it has over <see cref="TokenPredictability"/> is context.</summary>
    public double? ContextPredictability { get; init; }

    /// <summary>
    /// Counts of firings by activation, in equal bins of the logarithm between <see cref="HistogramLow"/> and
    /// <see cref="HistogramHigh"/>; smaller and larger activations fall into the first and last bin.
    /// </summary>
    public required ImmutableArray<long> Histogram { get; init; }

    /// <summary>log10 of the activation at the histogram's lower edge.</summary>
    public required double HistogramLow { get; init; }

    /// <summary>log10 of the activation at the histogram's upper edge.</summary>
    public required double HistogramHigh { get; init; }

    /// <summary>Tokens that fire it, most of its total activation first, ties by id.</summary>
    public required ImmutableArray<TokenEvidence> Tokens { get; init; }

    /// <summary>Strongest contexts first, no text twice.</summary>
    public required ImmutableArray<ContextEvidence> Contexts { get; init; }

    /// <summary>Tokens whose logits its direction raises most, strongest first; empty where the direction has no such reading.</summary>
    public required ImmutableArray<LogitEffect> Promoted { get; init; }

    /// <summary>Tokens whose logits its direction lowers most, strongest first.</summary>
    public required ImmutableArray<LogitEffect> Suppressed { get; init; }

    /// <summary>Effects on all logits, counted; null where the direction has no such reading.</summary>
    public LogitHistogram? Logits { get; init; }

    /// <summary>
    /// The activations that the shares <see cref="FeatureScanOptions.QuantileLevels"/> of its firings do not exceed, to 1.6 %;
    /// empty if it never fires.
    /// </summary>
    public ImmutableArray<double> Quantiles { get; init; } = [];

    /// <summary>Contexts from each fifth of its firings by activation, the strongest fifth first.</summary>
    public ImmutableArray<ContextGroup> Groups { get; init; } = [];

    /// <summary>Firings drawn at random, each with the same chance, in file order.</summary>
    public ImmutableArray<FiringEvidence> Sample { get; init; } = [];

    /// <summary>Units close to it, by relation, closest first.</summary>
    public ImmutableArray<NeighbourEvidence> Neighbours { get; init; } = [];

    /// <summary>Its place in a drawing of the dictionary: the first two principal components of the decoder directions; null without one.</summary>
    public MapPoint? Map { get; init; }

    /// <summary>Mean of its contexts' <see cref="ContextEvidence.AblationLoss"/>, nats; null where none was measured.</summary>
    public double? AblationLoss => Contexts.Any(context => context.AblationLoss is not null) ? Contexts.Average(context => context.AblationLoss) : null;
}

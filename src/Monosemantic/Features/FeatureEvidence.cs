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
public sealed record TokenEvidence(int Token, long Count, long Occurrences, double Mean, double Max);

/// <summary>A stretch of text around a firing.</summary>
/// <param name="Document">Index of the document.</param>
/// <param name="Start">Index of the stretch's first token among the document's tokens.</param>
/// <param name="Peak">Index, within the stretch, of the token that brought it here (its strongest firing).</param>
/// <param name="Tokens">Token ids of the stretch.</param>
/// <param name="Activations">The unit's activation at each token, 0 where it does not fire.</param>
public sealed record ContextEvidence(int Document, int Start, int Peak, ImmutableArray<int> Tokens, ImmutableArray<float> Activations);

/// <summary>How much a unit's direction adds to a token's logit, per unit of activation.</summary>
/// <param name="Token">Token id.</param>
/// <param name="Logit">Direct effect on the token's logit.</param>
public sealed record LogitEffect(int Token, double Logit);

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
}

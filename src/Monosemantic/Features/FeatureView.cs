using Monosemantic.Runtime;

namespace Monosemantic.Features;

/// <summary>One feature or neuron together with the index that knows the text of its tokens: shown in a notebook as a card.</summary>
/// <param name="Index">The index.</param>
/// <param name="Unit">Its evidence.</param>
[TypeFormatterSource(typeof(RichDisplay))]
public sealed record FeatureView(FeatureIndex Index, UnitEvidence Unit)
{
    /// <summary>In one line: its number, how often it fires and what fires it.</summary>
    public override string ToString() =>
        $"{(Unit.Kind == UnitKind.Feature ? "feature" : "neuron")} {Unit.Index}: {Unit.Firings} firings; {string.Join(" | ", Unit.Tokens.Take(5).Select(token => Index.TokenText(token.Token)))}";
}

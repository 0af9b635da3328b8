using Monosemantic.Features;

namespace Monosemantic.Reports;

/// <summary>Makes a report of a feature index. Reads no tensor, so libtorch stays unloaded.</summary>
public static class ReportSource
{
    /// <summary>The report's data.</summary>
    /// <param name="index">A finished index.</param>
    public static ReportData From(FeatureIndex index)
    {
        ArgumentNullException.ThrowIfNull(index);
        FeatureIndexCard card = index.Card;
        return new ReportData
        {
            Title = $"{card.Model} {card.HookPoint}",
            Run = card,
            Features = index.Features,
            Neurons = index.Neurons,
            Vocabulary = index.Vocabulary,
        };
    }
}

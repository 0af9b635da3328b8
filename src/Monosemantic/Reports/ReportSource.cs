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
            Run = new RunCard
            {
                Model = card.Model,
                ModelSha256 = card.ModelSha256,
                HookPoint = card.HookPoint,
                DModel = card.DModel,
                DSae = card.DSae,
                K = card.K,
                Corpus = card.Corpus,
                TokensTrained = card.TokensTrained,
                RowsScanned = card.RowsScanned,
                Seed = card.Seed,
                CodeVersion = card.CodeVersion,
                Provenance = [.. card.Provenance.Select(Labelled)],
            },
            Evaluation = card.Evaluation,
            Features = index.Features,
            Neurons = index.Neurons,
            Vocabulary = index.Vocabulary,
            NeuronDefinition = card.NeuronDefinition,
            LanguageModel = [.. card.LanguageModel.Select(Labelled)],
        };
    }

    private static LabelledValue Labelled(NamedValue value) => new(value.Name, value.Value);
}

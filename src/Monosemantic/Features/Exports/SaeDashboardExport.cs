using System.Collections.Immutable;
using System.Globalization;
using Monosemantic.Runtime;

namespace Monosemantic.Features.Exports;

/// <summary>
/// SAEDashboard's data: <c>sae_vis_data.json</c>, which <c>SaeVisData.load_json</c> reads, and <c>batch-N.json</c>, which its
/// step to Neuronpedia reads. Contexts are written as in the index: windows around a firing, not whole prompts.
/// </summary>
/// <remarks>Source: sae_dashboard/sae_vis_data.py, components.py and neuronpedia/neuronpedia_dashboard.py of SAEDashboard.</remarks>
internal sealed class SaeDashboardExport : FeatureExport
{
    private const int FeaturesPerFile = 128, Ticks = 5;

    /// <inheritdoc/>
    public override string Name => "saedashboard";

    /// <inheritdoc/>
    public override string Summary => "SAEDashboard's data JSON, and the batches that it makes for Neuronpedia";

    /// <inheritdoc/>
    public override string Layout => "sae_vis_data.json + batch-N.json + skipped_indexes.json";

    /// <inheritdoc/>
    internal override long Write(FeatureExportSource source, string folder)
    {
        long contexts = 0;
        Json(folder, "sae_vis_data.json", row =>
        {
            row.Open().Open("feature_data_dict");
            foreach (UnitEvidence unit in source.Exported) contexts += Feature(row.Open(unit.Index.ToString(CultureInfo.InvariantCulture)), source, unit);
            Statistics(row.Close(), source.Exported);
            row.Close();
        });
        foreach ((int number, UnitEvidence[] units) in source.Exported.Chunk(FeaturesPerFile).Index())
        {
            Json(folder, $"batch-{number.ToString(CultureInfo.InvariantCulture)}.json", row =>
            {
                row.Open().Text("model_id", source.ModelId).Whole("layer", source.Layer).Text("sae_set", source.SourceSet).Text("sae_id_suffix", null).Open("features", list: true);
                foreach (UnitEvidence unit in units) BatchFeature(row, source, unit);
                row.Close(list: true).Close();
            });
        }
        Json(folder, "skipped_indexes.json", row => row.Open().Text("model_id", source.ModelId).Text("layer", source.Layer.ToString(CultureInfo.InvariantCulture)).Text("sae_set", source.SourceSet)
            .Number("log_sparsity", Math.Log10(Math.Max(source.Options.MinDensity, 1e-10))).Wholes("skipped_indexes", source.Skipped).Close());
        return contexts;
    }

    private static void Json(string folder, string name, Action<ExportRow> write) => AtomicFile.Write(Path.Combine(folder, name), stream =>
    {
        using var row = new ExportRow(stream);
        write(row);
    });

    private static int Feature(ExportRow row, FeatureExportSource source, UnitEvidence unit)
    {
        (int[] largest, float[] entries, double[] shares) = DashboardNumbers.Alignment(source.Vector(unit.Index));
        NeighbourEvidence[] neurons = DashboardNumbers.Neighbours(unit, Relation.Correlation, UnitKind.Neuron), features = DashboardNumbers.Neighbours(unit, Relation.Correlation, UnitKind.Feature);
        row.Open("feature_tables_data")
            .Wholes("neuron_alignment_indices", largest).Numbers("neuron_alignment_values", entries).Numbers("neuron_alignment_l1", shares)
            .Wholes("correlated_neurons_indices", neurons.Select(near => near.Index)).Numbers("correlated_neurons_pearson", neurons.Select(near => near.Value)).Empty("correlated_neurons_cossim")
            .Wholes("correlated_features_indices", features.Select(near => near.Index)).Numbers("correlated_features_pearson", features.Select(near => near.Value)).Empty("correlated_features_cossim")
            .Empty("correlated_b_features_indices", "correlated_b_features_pearson", "correlated_b_features_cossim").Close();
        Histogram(row, "acts_histogram_data", DashboardNumbers.Activations(unit), $"ACTIVATIONS<br>DENSITY = {(unit.Density * 100).ToString("F3", CultureInfo.InvariantCulture)}%");
        row.Open("logits_table_data").Wholes("bottom_token_ids", unit.Suppressed.Select(effect => effect.Token)).Numbers("bottom_logits", unit.Suppressed.Select(effect => effect.Logit))
            .Wholes("top_token_ids", unit.Promoted.Select(effect => effect.Token)).Numbers("top_logits", unit.Promoted.Select(effect => effect.Logit)).Close();
        Histogram(row, "logits_histogram_data", DashboardNumbers.Logits(unit), null);
        int contexts = 0;
        row.Open("sequence_data").Open("seq_group_data", list: true);
        foreach (ImmutableArray<DashboardRow> group in DashboardNumbers.Groups(unit))
        {
            row.Open().Text("title", Title(group[0])).Open("seq_data", list: true);
            foreach (DashboardRow shown in group) Sequence(row.Open(), shown.Context);
            contexts += group.Length;
            row.Close(list: true).Close();
        }
        Sequence(row.Close(list: true).Close().Open("prompt_data"), null);
        row.Text("dfa_data", null).Text("decoder_weights_data", null).Close();
        return contexts;
    }

    private static string Title(DashboardRow row) => row.Low < 0
        ? $"TOP ACTIVATIONS<br>MAX = {row.High.ToString("F3", CultureInfo.InvariantCulture)}"
        : $"INTERVAL {row.Low.ToString("F3", CultureInfo.InvariantCulture)} - {row.High.ToString("F3", CultureInfo.InvariantCulture)}<br>CONTAINS {(row.Contains * 100).ToString("F3", CultureInfo.InvariantCulture)}%";

    // Effects of single tokens are not in an index: zeros and empty lists, as the tool itself writes without ablations.
    private static void Sequence(ExportRow row, ContextEvidence? context)
    {
        int length = context?.Tokens.Length ?? 0;
        row.Whole("original_index", context?.Document ?? 0).Whole("qualifying_token_index", context?.Peak ?? 0).Wholes("token_ids", context?.Tokens ?? []).Numbers("feat_acts", context?.Activations ?? [])
            .Blank("loss_contribution", length, lists: false).Blank("token_logits", length, lists: false)
            .Blank("top_token_ids", length, lists: true).Blank("top_logits", length, lists: true).Blank("bottom_token_ids", length, lists: true).Blank("bottom_logits", length, lists: true).Close();
    }

    private static void Histogram(ExportRow row, string name, (double[] Values, long[] Heights) bars, string? title)
    {
        IEnumerable<double> ticks = bars.Values.Length == 0 ? [] : Enumerable.Range(0, Ticks).Select(i => bars.Values[0] + ((bars.Values[^1] - bars.Values[0]) * i / (Ticks - 1)));
        row.Open(name).Wholes("bar_heights", bars.Heights).Numbers("bar_values", bars.Values).Numbers("tick_vals", ticks).Text("title", title).Close();
    }

    // Quantiles of all positions at thousands of levels are not in an index; skew and kurtosis are empty in the tool itself.
    private static void Statistics(ExportRow row, ImmutableArray<UnitEvidence> units)
    {
        row.Open("feature_stats").Numbers("max", units.Select(unit => unit.Max)).Numbers("frac_nonzero", units.Select(unit => unit.Density)).Empty("skew", "kurtosis", "quantile_data", "quantiles").Open("ranges_and_precisions", list: true);
        row.Close(list: true).Close();
    }

    private static void BatchFeature(ExportRow row, FeatureExportSource source, UnitEvidence unit)
    {
        float[] vector = source.Vector(unit.Index);
        (int[] largest, float[] entries, double[] shares) = DashboardNumbers.Alignment(vector);
        (double[] bars, long[] firings) = DashboardNumbers.Activations(unit);
        (double[] effects, long[] tokens) = DashboardNumbers.Logits(unit);
        NeighbourEvidence[] neurons = DashboardNumbers.Neighbours(unit, Relation.Correlation, UnitKind.Neuron), features = DashboardNumbers.Neighbours(unit, Relation.Correlation, UnitKind.Feature);
        row.Open().Whole("feature_index", unit.Index)
            .Wholes("neuron_alignment_indices", largest).Numbers("neuron_alignment_values", entries).Numbers("neuron_alignment_l1", shares)
            .Wholes("correlated_neurons_indices", neurons.Select(near => near.Index)).Empty("correlated_neurons_l1").Numbers("correlated_neurons_pearson", neurons.Select(near => near.Value))
            .Wholes("correlated_features_indices", features.Select(near => near.Index)).Empty("correlated_features_l1").Numbers("correlated_features_pearson", features.Select(near => near.Value))
            .Texts("neg_str", unit.Suppressed.Select(effect => source.Index.TokenText(effect.Token))).Numbers("neg_values", unit.Suppressed.Select(effect => effect.Logit))
            .Texts("pos_str", unit.Promoted.Select(effect => source.Index.TokenText(effect.Token))).Numbers("pos_values", unit.Promoted.Select(effect => effect.Logit))
            .Number("frac_nonzero", unit.Density).Numbers("freq_hist_data_bar_values", bars).Wholes("freq_hist_data_bar_heights", firings)
            .Wholes("logits_hist_data_bar_heights", tokens).Numbers("logits_hist_data_bar_values", effects)
            .Whole("n_prompts_total", 0).Whole("n_tokens_in_prompt", 0).Text("dataset", source.Index.Card.Corpus).Empty("decoder_weights_dist").Open("activations", list: true);
        foreach ((double low, double high, double contains, ContextEvidence context) in DashboardNumbers.Groups(unit).SelectMany(group => group))
        {
            row.Open().Number("bin_min", low).Number("bin_max", high).Number("bin_contains", contains).Texts("tokens", context.Tokens.Select(source.Index.TokenText)).Numbers("values", context.Activations).Whole("qualifying_token_index", context.Peak).Close();
        }
        row.Close(list: true);
        if (vector.Length > 0) row.Numbers("vector", vector);
        row.Close();
    }
}

using System.Globalization;
using System.IO.Compression;
using Monosemantic.Runtime;

namespace Monosemantic.Features.Exports;

/// <summary>
/// Neuronpedia's bulk files: a folder <c>model/layer-set</c> with a row each for release, model, source set and source, and
/// gzipped JSON lines of features and activations. Keys and their order are those of the rows that its importer reads.
/// </summary>
/// <remarks>Source: sae_dashboard/neuronpedia/neuronpedia_export.py of SAEDashboard, which writes the same files.</remarks>
internal sealed class NeuronpediaExport : FeatureExport
{
    private const int FeaturesPerFile = 1024;

    /// <inheritdoc/>
    public override string Name => "neuronpedia";

    /// <inheritdoc/>
    public override string Summary => "Neuronpedia's bulk import: features and activations as JSON lines";

    /// <inheritdoc/>
    public override string Layout => "MODEL/LAYER-SET/{release,model,sourceset,source}.jsonl + features/batch-N.jsonl.gz + activations/batch-N.jsonl.gz";

    /// <inheritdoc/>
    internal override long Write(FeatureExportSource source, string folder)
    {
        string home = Path.Combine(folder, source.ModelId, source.SourceId), features = Path.Combine(home, "features"), activations = Path.Combine(home, "activations");
        foreach (string part in new[] { features, activations }) AtomicFile.MakeFolder(part);
        Line(home, "release.jsonl", row => Release(row, source));
        Line(home, "model.jsonl", row => Model(row, source));
        Line(home, "sourceset.jsonl", row => SourceSet(row, source));
        Line(home, "source.jsonl", row => Source(row, source));
        long contexts = 0;
        foreach ((int number, UnitEvidence[] units) in source.Exported.Chunk(FeaturesPerFile).Index())
        {
            string file = $"batch-{number.ToString(CultureInfo.InvariantCulture)}.jsonl.gz";
            Lines(Path.Combine(features, file), row =>
            {
                foreach (UnitEvidence unit in units) Feature(row, source, unit);
            });
            Lines(Path.Combine(activations, file), row =>
            {
                foreach (UnitEvidence unit in units) contexts += Activations(row, source, unit);
            });
        }
        return contexts;
    }

    private static void Line(string folder, string name, Action<ExportRow> write) => AtomicFile.Write(Path.Combine(folder, name), stream =>
    {
        using var row = new ExportRow(stream);
        write(row);
    });

    private static void Lines(string path, Action<ExportRow> write) => AtomicFile.Write(path, stream =>
    {
        using var packed = new GZipStream(stream, CompressionLevel.Optimal, leaveOpen: true);
        using var row = new ExportRow(packed);
        write(row);
    });

    private static void Release(ExportRow row, FeatureExportSource source) => row.Open()
        .Text("name", source.Options.Release ?? source.SourceSet).Text("description", Description(source)).Text("creatorName", source.Options.Creator).Text("creatorId", source.Options.CreatorId)
        .Text("visibility", "PUBLIC").Flag("isNewUi", false).Flag("featured", false).Text("descriptionShort", Description(source)).Empty("urls")
        .Text("creatorEmail", null).Text("creatorNameShort", source.Options.Creator).Text("defaultSourceSetName", null).Text("defaultSourceId", null).Empty("defaultUmapSourceIds")
        .Text("createdAt", source.Options.Date).Close().EndLine();

    private static void Model(ExportRow row, FeatureExportSource source) => row.Open()
        .Text("id", source.ModelId).Flag("instruct", source.ModelId.EndsWith("-it", StringComparison.Ordinal)).Text("creatorId", source.Options.CreatorId).Text("displayNameShort", Safe(source.Index.Card.Model)).Text("displayName", Safe(source.Index.Card.Model))
        .Text("tlensId", null).Whole("dimension", source.Index.Card.HookPoint.Contains("resid", StringComparison.Ordinal) ? source.Index.Card.DModel : null).Text("visibility", "PUBLIC").Text("defaultSourceSetName", null).Text("defaultSourceId", null)
        .Flag("inferenceEnabled", false).Whole("layers", 0).Whole("neuronsPerLayer", 0).Text("createdAt", source.Options.Date).Text("owner", "").Text("updatedAt", source.Options.Date).Text("website", null).Close().EndLine();

    private static void SourceSet(ExportRow row, FeatureExportSource source) => row.Open()
        .Text("modelId", source.ModelId).Text("name", source.SourceSet).Text("creatorId", source.Options.CreatorId).Flag("hasDashboards", true).Text("visibility", "PUBLIC").Text("description", Description(source)).Text("type", "")
        .Text("creatorName", source.Options.Creator).Empty("urls").Text("creatorEmail", null).Text("releaseName", source.Options.Release ?? source.SourceSet).Text("defaultOfModelId", null).Whole("defaultRange", 1).Flag("defaultShowBreaks", true)
        .Flag("showDfa", false).Flag("showCorrelated", false).Flag("showHeadAttribution", false).Flag("showUmap", false).Text("createdAt", source.Options.Date).Close().EndLine();

    private static void Source(ExportRow row, FeatureExportSource source) => row.Open()
        .Text("id", source.SourceId).Text("modelId", source.ModelId).Text("setName", source.SourceSet).Text("creatorId", source.Options.CreatorId).Flag("hasDashboards", true).Flag("inferenceEnabled", false).Empty("inferenceHosts")
        .Text("saelensConfig", null).Text("saelensRelease", null).Text("saelensSaeId", null).Text("hfRepoId", null).Text("hfFolderId", null).Text("visibility", "PUBLIC").Text("defaultOfModelId", null)
        .Flag("hasUmap", false).Flag("hasUmapLogSparsity", false).Flag("hasUmapClusters", false).Whole("num_prompts", null).Whole("num_tokens_in_prompt", null).Text("dataset", Safe(source.Index.Card.Corpus))
        .Text("notes", Safe(string.Join("; ", source.Index.Card.Provenance.Select(artefact => $"{artefact.Name} {artefact.Value}").Prepend($"{source.Index.Card.RowsScanned} tokens scanned")))).Text("createdAt", source.Options.Date).Close().EndLine();

    private static void Feature(ExportRow row, FeatureExportSource source, UnitEvidence unit)
    {
        float[] vector = source.Vector(unit.Index);
        (int[] largest, float[] entries, double[] shares) = DashboardNumbers.Alignment(vector);
        (double[] bars, long[] firings) = DashboardNumbers.Activations(unit);
        (double[] effects, long[] tokens) = DashboardNumbers.Logits(unit);
        NeighbourEvidence[] cosines = DashboardNumbers.Neighbours(unit, Relation.Cosine, UnitKind.Feature), neurons = DashboardNumbers.Neighbours(unit, Relation.Correlation, UnitKind.Neuron), features = DashboardNumbers.Neighbours(unit, Relation.Correlation, UnitKind.Feature);
        row.Open().Text("modelId", source.ModelId).Text("layer", source.SourceId).Text("index", unit.Index.ToString(CultureInfo.InvariantCulture)).Text("creatorId", source.Options.CreatorId).Text("createdAt", source.Options.Date)
            .Number("maxActApprox", unit.Max).Flag("hasVector", vector.Length > 0).Numbers("vector", vector).Text("vectorLabel", null).Number("vectorDefaultSteerStrength", vector.Length > 0 ? unit.Max : 10).Text("hookName", source.Index.Card.HookPoint)
            .Wholes("topkCosSimIndices", cosines.Select(near => near.Index)).Numbers("topkCosSimValues", cosines.Select(near => near.Value))
            .Wholes("neuron_alignment_indices", largest).Numbers("neuron_alignment_values", entries).Numbers("neuron_alignment_l1", shares)
            .Wholes("correlated_neurons_indices", neurons.Select(near => near.Index)).Numbers("correlated_neurons_pearson", neurons.Select(near => near.Value)).Empty("correlated_neurons_l1")
            .Wholes("correlated_features_indices", features.Select(near => near.Index)).Numbers("correlated_features_pearson", features.Select(near => near.Value)).Empty("correlated_features_l1")
            .Texts("neg_str", unit.Suppressed.Select(effect => Token(source, effect.Token))).Numbers("neg_values", unit.Suppressed.Select(effect => effect.Logit))
            .Texts("pos_str", unit.Promoted.Select(effect => Token(source, effect.Token))).Numbers("pos_values", unit.Promoted.Select(effect => effect.Logit))
            .Number("frac_nonzero", unit.Density).Wholes("freq_hist_data_bar_heights", firings).Numbers("freq_hist_data_bar_values", bars)
            .Wholes("logits_hist_data_bar_heights", tokens).Numbers("logits_hist_data_bar_values", effects).Empty("decoder_weights_dist").Text("sourceSetName", source.SourceSet).Close().EndLine();
    }

    private static int Activations(ExportRow row, FeatureExportSource source, UnitEvidence unit)
    {
        int number = 0;
        foreach ((double low, double high, double contains, ContextEvidence context) in DashboardNumbers.Groups(unit).SelectMany(group => group))
        {
            float most = context.Activations.Max();
            string id = Hashing.OfText($"{source.IndexSha256} {unit.Index.ToString(CultureInfo.InvariantCulture)} {number++.ToString(CultureInfo.InvariantCulture)}");
            row.Open().Text("id", $"c{id[..24]}").Texts("tokens", context.Tokens.Select(token => Token(source, token))).Text("index", unit.Index.ToString(CultureInfo.InvariantCulture)).Text("layer", source.SourceId).Text("modelId", source.ModelId)
                .Number("maxValue", most).Whole("maxValueTokenIndex", context.Activations.IndexOf(most)).Number("minValue", context.Activations.Min()).Numbers("values", context.Activations).Text("creatorId", source.Options.CreatorId)
                .Text("dataSource", Safe(source.Index.Card.Corpus)).Text("dataIndex", $"{context.Document.ToString(CultureInfo.InvariantCulture)}:{context.Start.ToString(CultureInfo.InvariantCulture)}")
                .Empty("dfaValues").Whole("dfaTargetIndex", null).Whole("dfaMaxValue", null).Text("createdAt", source.Options.Date).Empty("lossValues").Text("logitContributions", null)
                .Number("binMin", low).Number("binMax", high).Number("binContains", contains).Whole("qualifyingTokenIndex", context.Peak).Text("zIndices", null).Text("zValues", null).Close().EndLine();
        }
        return number;
    }

    private static string Description(FeatureExportSource source) => Safe($"{source.Index.Card.DSae.ToString("N0", CultureInfo.InvariantCulture)} features of {source.Index.Card.Model} at {source.Index.Card.HookPoint}");

    private static string Token(FeatureExportSource source, int token) => Safe(source.Index.TokenText(token));

    // The database that takes these rows has no NUL; its importer makes a space of it, too.
    private static string Safe(string text) => text.Replace('\0', ' ');
}

using System.Text.Json;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// An autoencoder as one of SAELens' training classes, to go on training there: which of them, with which settings and
/// tensors. Settings are the source's own where it was SAELens', else SAELens' defaults.
/// </summary>
/// <param name="Architecture">Its name there.</param>
/// <param name="Settings">The training settings in the order of SAELens' files, with their defaults.</param>
internal sealed record SaeLensCheckpoint(string Architecture, IReadOnlyList<(string Key, JsonNode? Default)> Settings)
{
    private const string Rescale = "rescale_acts_by_decoder_norm";

    private static readonly (string Key, JsonNode? Default)[] L1 = [("decoder_init_norm", 0.1), ("l1_coefficient", 1.0)];
    private static readonly (string Key, JsonNode? Default)[] WarmUp = [("l1_warm_up_steps", 0)];

    /// <summary>The training form of an autoencoder; null where SAELens has no training class for it.</summary>
    internal static SaeLensCheckpoint? Of(SparseAutoencoder sae)
    {
        SaeConfig config = sae.Config;
        return config.Architecture switch
        {
            "relu" => new("standard", [.. L1, ("lp_norm", 1.0), .. WarmUp]),
            "gated" => new("gated", [.. L1, .. WarmUp]),
            "topk" => new("topk", TopK(config.K)),
            "jumprelu" when BatchK(sae) is { } k => Own(sae, "matryoshka_widths") is { ValueKind: JsonValueKind.Array } widths
                ? new("matryoshka_batchtopk", [.. TopK(k), ("topk_threshold_lr", 0.01), ("matryoshka_widths", JsonNode.Parse(widths.GetRawText()))])
                : new("batchtopk", [.. TopK(k), ("topk_threshold_lr", 0.01)]),
            "jumprelu" => new("jumprelu", [("decoder_init_norm", 0.1), ("jumprelu_init_threshold", 0.01), ("jumprelu_bandwidth", 0.05), ("jumprelu_sparsity_loss_mode", "step"), ("l0_coefficient", 1.0), ("l0_warm_up_steps", 0), ("pre_act_loss_coefficient", null), ("jumprelu_tanh_scale", 4.0)]),
            _ => null,
        };
    }

    /// <summary>The tensors under their names there; what is selected over a batch keeps its one threshold, in float64.</summary>
    internal IEnumerable<KeyValuePair<string, Tensor>> Tensors(SparseAutoencoder sae) => sae.Tensors.Select(tensor =>
        tensor.Key == "threshold" && Architecture != "jumprelu" ? KeyValuePair.Create("topk_threshold", tensor.Value[0].to(ScalarType.Float64)) : tensor);

    /// <summary>The config: that of the inference form with the training settings before its last key.</summary>
    internal JsonObject Config(JsonObject inference, SparseAutoencoder sae)
    {
        foreach (string key in new[] { "architecture", "k", Rescale }) inference.Remove(key);
        foreach ((string key, JsonNode? otherwise) in Settings)
        {
            inference[key] = key is not ("k" or Rescale) && Own(sae, key) is { } value ? JsonNode.Parse(value.GetRawText()) : otherwise?.DeepClone();
        }
        inference["architecture"] = Architecture;
        return inference;
    }

    // Decoder norms are folded by now, so that nothing is left to rescale by.
    private static (string Key, JsonNode? Default)[] TopK(JsonNode k) => [("decoder_init_norm", 0.1), ("k", k), ("use_sparse_activations", false), ("aux_loss_coefficient", 1.0), (Rescale, false)];

    // One threshold for all, and a known k, is what a selection over a batch leaves behind.
    private static JsonNode? BatchK(SparseAutoencoder sae)
    {
        if (Own(sae, "architecture") is { ValueKind: JsonValueKind.String } own && own.GetString() is not ("batchtopk" or "matryoshka_batchtopk")) return null;
        JsonElement? k = Own(sae, "k") ?? (sae.Provenance.Training is { ValueKind: JsonValueKind.Object } training && training.TryGetProperty("k", out JsonElement trained) ? trained : null);
        if (k is not { ValueKind: JsonValueKind.Number } number || number.GetDouble() <= 0) return null;
        using var scope = NewDisposeScope();
        Tensor threshold = sae.Tensors.First(tensor => tensor.Key == "threshold").Value;
        return threshold.eq(threshold[0]).all().item<bool>() ? JsonNode.Parse(number.GetRawText()) : null;
    }

    private static JsonElement? Own(SparseAutoencoder sae, string key) => sae.Provenance.Origin is { Format: "saelens", Config: { } config } && config.TryGetProperty(key, out JsonElement value) ? value : null;
}

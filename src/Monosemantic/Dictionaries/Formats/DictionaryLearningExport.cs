using System.Text.Json;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>Which of dictionary_learning's classes an autoencoder is written as, and what then goes into its files.</summary>
/// <param name="Kind">The dict_class.</param>
/// <param name="Centres">Whether that class subtracts b_dec from its inputs.</param>
/// <param name="K">Features per token, where the class stores it.</param>
/// <param name="Threshold">The one threshold, where the class stores it.</param>
internal sealed record DictionaryLearningExport(string Kind, bool Centres, int K = 0, float Threshold = -1)
{
    private static readonly Dictionary<string, string> Trainers = new()
    {
        ["AutoEncoder"] = "StandardTrainer",
        ["AutoEncoderNew"] = "StandardTrainer",
        ["GatedAutoEncoder"] = "GatedSAETrainer",
        ["JumpReluAutoEncoder"] = "JumpReluTrainer",
        ["AutoEncoderTopK"] = "TopKTrainer",
        ["BatchTopKSAE"] = "BatchTopKTrainer",
        ["MatryoshkaBatchTopKSAE"] = "MatryoshkaBatchTopKTrainer",
    };

    /// <summary>The class for an autoencoder, or null where there is none.</summary>
    internal static DictionaryLearningExport? Of(SparseAutoencoder sae)
    {
        SaeConfig config = sae.Config;
        return config.Architecture switch
        {
            "relu" => new(config.SubtractBDec ? "AutoEncoder" : "AutoEncoderNew", config.SubtractBDec),
            "gated" => new("GatedAutoEncoder", true),
            "topk" => new("AutoEncoderTopK", true, config.K, (float)(sae.Provenance.Origin?.Threshold ?? -1)),
            "jumprelu" => OfThresholds(sae),
            _ => null,
        };
    }

    /// <summary>The state dict, in the library's order, and each matrix in memory as there: its encoders are made as transposes.</summary>
    internal IEnumerable<KeyValuePair<string, Tensor>> State(SparseAutoencoder sae)
    {
        Dictionary<string, Tensor> tensors = new(sae.Tensors);
        (string, Tensor) encoder = ("encoder.weight", sae.WEnc.contiguous().t()), decoder = ("decoder.weight", sae.WDec.t().contiguous()), k = ("k", tensor(K, ScalarType.Int32)), threshold = ("threshold", tensor(Threshold));
        (string, Tensor)[] plain = [("W_enc", sae.WEnc), ("b_enc", sae.BEnc), ("W_dec", sae.WDec), ("b_dec", sae.BDec)];
        (string Name, Tensor Value)[] state = Kind switch
        {
            "AutoEncoder" => [("bias", sae.BDec), encoder, ("encoder.bias", sae.BEnc), decoder],
            "AutoEncoderNew" => [encoder, ("encoder.bias", sae.BEnc), decoder, ("decoder.bias", sae.BDec)],
            "GatedAutoEncoder" => [("decoder_bias", sae.BDec), ("r_mag", tensors["r_mag"]), ("gate_bias", tensors["b_gate"]), ("mag_bias", tensors["b_mag"]), encoder, decoder],
            "JumpReluAutoEncoder" => [.. plain, ("threshold", tensors["threshold"])],
            "MatryoshkaBatchTopKSAE" => [.. plain, k, threshold, ("group_sizes", tensor(Groups(sae)!.Select(size => (long)size).ToArray()))],
            _ => [("b_dec", sae.BDec), k, threshold, decoder, encoder, ("encoder.bias", sae.BEnc)],
        };
        return state.Select(pair => KeyValuePair.Create(pair.Name, pair.Value));
    }

    /// <summary>The config: the source's own where it was of the same class, else what is known.</summary>
    internal JsonObject Config(SparseAutoencoder sae)
    {
        if (OwnTrainer(sae) is { } own && own.GetProperty("dict_class").GetString() == Kind)
        {
            JsonObject same = JsonNode.Parse(sae.Provenance.Origin!.Config!.Value.GetRawText())!.AsObject();
            if (K > 0) same["trainer"]!["k"] = K;
            return same;
        }
        SaeOrigin? origin = sae.Provenance.Origin;
        JsonObject trainer = new()
        {
            ["trainer_class"] = Trainers[Kind],
            ["dict_class"] = Kind,
            ["activation_dim"] = sae.Config.DModel,
            ["dict_size"] = sae.Config.DSae,
        };
        if (K > 0) trainer["k"] = K;
        trainer["device"] = "cpu";
        trainer["layer"] = LayerOf(sae.Config.HookPoint);
        trainer["lm_name"] = origin?.Model;
        trainer["submodule_name"] = sae.Config.HookPoint.Length > 0 ? sae.Config.HookPoint : null;
        return new JsonObject { ["trainer"] = trainer };
    }

    // One threshold for all, b_dec subtracted and k known is what BatchTopK computes in inference; the rest is a JumpReLU, which subtracts nothing.
    private static DictionaryLearningExport OfThresholds(SparseAutoencoder sae)
    {
        Tensor thresholds = sae.Tensors.First(tensor => tensor.Key == "threshold").Value;
        using Tensor first = thresholds[0], same = thresholds.eq(first), all = same.all();
        int? k = KOf(sae);
        if (!sae.Config.SubtractBDec || k is null || !all.item<bool>()) return new("JumpReluAutoEncoder", false);
        return new(Groups(sae) is null ? "BatchTopKSAE" : "MatryoshkaBatchTopKSAE", true, k.Value, first.item<float>());
    }

    private static int? KOf(SparseAutoencoder sae)
    {
        JsonElement? from = OwnTrainer(sae) ?? (sae.Provenance.Origin is { Format: "saelens", Config: { } saelens } ? saelens : sae.Provenance.Training);
        return from is { ValueKind: JsonValueKind.Object } config && config.TryGetProperty("k", out JsonElement k) && k.ValueKind == JsonValueKind.Number && k.TryGetInt32(out int value) && value > 0 ? value : null;
    }

    private static int[]? Groups(SparseAutoencoder sae)
    {
        if (OwnTrainer(sae) is not { } trainer || !trainer.TryGetProperty("group_sizes", out JsonElement sizes) || sizes.ValueKind != JsonValueKind.Array) return null;
        int[] groups = [.. sizes.EnumerateArray().Select(size => size.ValueKind == JsonValueKind.Number && size.TryGetInt32(out int value) ? value : 0)];
        return groups.All(size => size > 0) && groups.Sum(size => (long)size) == sae.Config.DSae ? groups : null;
    }

    private static JsonElement? OwnTrainer(SparseAutoencoder sae) => sae.Provenance.Origin is { Format: "dictionary_learning", Config: { } config } && config.TryGetProperty("trainer", out JsonElement trainer) ? trainer : null;

    private static int? LayerOf(string hook) => hook.Split('.') is ["blocks", var layer, ..] && int.TryParse(layer, out int number) ? number : null;
}

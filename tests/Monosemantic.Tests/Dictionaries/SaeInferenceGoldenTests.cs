using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries;

/// <summary>Encoding and decoding equal what the reference implementations recorded.</summary>
public sealed class SaeInferenceGoldenTests(ITestOutputHelper output)
{
    private const double Tolerance = 1e-5;

    public static TheoryData<string> SaeLens() => GoldenTensors.Of("saelens", nameof(Inference_equals_SAELens), _ => true);

    public static TheoryData<string> DictionaryLearning() => GoldenTensors.Of("dictionary_learning", nameof(Inference_equals_dictionary_learning), folder => File.Exists(Path.Combine(folder, "config.json")));

    [Theory]
    [MemberData(nameof(SaeLens))]
    public void Inference_equals_SAELens(string folder)
    {
        bool trained = Directory.Exists(Path.Combine(folder, "inference"));
        JsonElement cfg = GoldenTensors.Json(folder, trained ? "inference/cfg.json" : "cfg.json");
        using SafetensorsFile weights = SafetensorsFile.Open(Path.Combine(folder, trained ? "inference" : "", "sae_weights.safetensors"));
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        string architecture = cfg.GetProperty("architecture").GetString()!;
        bool rescales = cfg.TryGetProperty("rescale_acts_by_decoder_norm", out JsonElement rescale) && rescale.GetBoolean();
        var config = new SaeConfig
        {
            Architecture = architecture is "standard" or "transcoder" or "skip_transcoder" ? "relu" : architecture.Replace("_transcoder", ""),
            DModel = cfg.GetProperty("d_in").GetInt32(),
            DSae = cfg.GetProperty("d_sae").GetInt32(),
            DOut = cfg.TryGetProperty("d_out", out JsonElement dOut) ? dOut.GetInt32() : null,
            K = cfg.TryGetProperty("k", out JsonElement k) ? k.GetInt32() : 0,
            SubtractBDec = cfg.GetProperty("apply_b_dec_to_input").GetBoolean(),
            SkipConnection = architecture.Contains("skip", StringComparison.Ordinal),
        };
        using SparseAutoencoder sae = SparseAutoencoder.FromTensors(config, [.. weights.Entries.Select(entry => KeyValuePair.Create(entry.Name, weights.Read(entry.Name)))]);
        using SparseAutoencoder folded = sae.FoldDecoderNorms();

        if (trained) Compare(rescales ? folded : sae, expected, "inference.feature_acts", "inference.sae_out");
        else Compare(sae, expected, "feature_acts", "out");
        if (expected.Contains("inference.folded_feature_acts")) Compare(folded, expected, "inference.folded_feature_acts", "inference.folded_sae_out");
    }

    [Theory]
    [MemberData(nameof(DictionaryLearning))]
    public void Inference_equals_dictionary_learning(string folder)
    {
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        JsonElement trainer = GoldenTensors.Json(folder, "config.json").GetProperty("trainer");
        string last = $"step{GoldenTensors.Json(folder, "run.json").GetProperty("updates").GetInt32() - 1}.after.", kind = trainer.GetProperty("dict_class").GetString()!;
        Dictionary<string, Tensor> tensors = expected.Entries.Where(entry => entry.Name.StartsWith(last, StringComparison.Ordinal)).ToDictionary(entry => Renamed(entry.Name[last.Length..]), entry => Oriented(entry.Name, expected.Read(entry.Name)));
        Tensor threshold = tensors.Remove("threshold", out Tensor? found) ? found : zeros(1);
        foreach (string unused in new[] { "k", "group_sizes" }) tensors.Remove(unused);
        if (kind == "GatedAutoEncoder") (tensors["b_gate"], tensors["b_mag"]) = (Taken(tensors, "gate_bias"), Taken(tensors, "mag_bias"));
        var topk = new SaeConfig { DModel = trainer.GetProperty("activation_dim").GetInt32(), DSae = trainer.GetProperty("dict_size").GetInt32(), K = trainer.TryGetProperty("k", out JsonElement k) ? k.GetInt32() : 0 };
        SaeConfig jumprelu = topk with { Architecture = "jumprelu", K = 0 };
        KeyValuePair<string, Tensor>[] withThreshold = [.. tensors, new("threshold", threshold.dim() == 0 ? threshold.expand(topk.DSae) : threshold)];
        switch (kind)
        {
            case "AutoEncoderTopK" or "BatchTopKSAE" or "MatryoshkaBatchTopKSAE":
                if (kind == "AutoEncoderTopK") Compare(SparseAutoencoder.FromTensors(topk, tensors), expected, "inference.feature_acts", "inference.out");
                else Compare(SparseAutoencoder.FromTensors(jumprelu, withThreshold), expected, "inference.feature_acts", "inference.out");
                Compare(SparseAutoencoder.FromTensors(jumprelu, withThreshold), expected, "inference.threshold_feature_acts", null);
                break;
            case "JumpReluAutoEncoder":
                Compare(SparseAutoencoder.FromTensors(jumprelu with { SubtractBDec = false }, withThreshold), expected, "inference.feature_acts", "inference.out");
                break;
            default:
                Compare(SparseAutoencoder.FromTensors(topk with { Architecture = kind == "GatedAutoEncoder" ? "gated" : "relu", K = 0 }, tensors), expected, "inference.feature_acts", "inference.out");
                break;
        }
    }

    private static Tensor Taken(Dictionary<string, Tensor> tensors, string name) => tensors.Remove(name, out Tensor? tensor) ? tensor : throw new KeyNotFoundException(name);

    private static string Renamed(string name) => name switch { "encoder.weight" => "W_enc", "encoder.bias" => "b_enc", "decoder.weight" => "W_dec", "bias" or "decoder_bias" => "b_dec", _ => name };

    private static Tensor Oriented(string name, Tensor value) => name.EndsWith("coder.weight", StringComparison.Ordinal) ? value.t() : value;

    private void Compare(SparseAutoencoder sae, SafetensorsFile expected, string features, string? reconstruction)
    {
        Tensor x = expected.Read("x");
        GoldenTensors.AssertClose(output, features, expected.Read(features), sae.Encode(x), Tolerance);
        if (reconstruction is null) return;
        GoldenTensors.AssertClose(output, reconstruction, expected.Read(reconstruction), sae.Reconstruct(x), Tolerance);
        if (sae.WSkip is null) GoldenTensors.AssertClose(output, $"{reconstruction}, decoded densely", expected.Read(reconstruction), sae.Decode(sae.Encode(x)), Tolerance);
    }
}

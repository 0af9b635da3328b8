using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries;

/// <summary>Encoding and decoding equal what the reference implementations recorded.</summary>
public sealed class SaeInferenceGoldenTests(ITestOutputHelper output)
{
    private const double Tolerance = 1e-5;

    public static TheoryData<string> SaeLens() => GoldenTensors.Of("saelens", nameof(Inference_equals_SAELens), folder =>
        File.Exists(Path.Combine(folder, "inference", "cfg.json")) && GoldenTensors.Json(folder, "inference/cfg.json").GetProperty("architecture").GetString() == "topk");

    public static TheoryData<string> DictionaryLearning() => GoldenTensors.Of("dictionary_learning", nameof(Inference_equals_dictionary_learning), folder =>
        GoldenTensors.Json(folder, "config.json").GetProperty("trainer").GetProperty("dict_class").GetString() == "AutoEncoderTopK");

    [Theory]
    [MemberData(nameof(SaeLens))]
    public void Inference_equals_SAELens(string folder)
    {
        JsonElement cfg = GoldenTensors.Json(folder, "inference/cfg.json");
        using SafetensorsFile weights = SafetensorsFile.Open(Path.Combine(folder, "inference", "sae_weights.safetensors"));
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        Tensor encoder = weights.Read("W_enc").t().contiguous(), bias = weights.Read("b_enc"), decoder = weights.Read("W_dec");
        if (cfg.GetProperty("rescale_acts_by_decoder_norm").GetBoolean()) DecoderNorm.FoldIntoEncoder(encoder, bias, decoder);
        SaeConfig config = Config(decoder, cfg.GetProperty("k").GetInt32()) with { SubtractBDec = cfg.GetProperty("apply_b_dec_to_input").GetBoolean() };
        using var sae = SparseAutoencoder.FromWeights(config, encoder.t(), bias, decoder, weights.Read("b_dec"));

        Compare(sae, expected, "inference.feature_acts", "inference.sae_out");
    }

    [Theory]
    [MemberData(nameof(DictionaryLearning))]
    public void Inference_equals_dictionary_learning(string folder)
    {
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        string last = $"step{GoldenTensors.Json(folder, "run.json").GetProperty("updates").GetInt32() - 1}.after.";
        Tensor decoder = expected.Read($"{last}decoder.weight").t();
        SaeConfig config = Config(decoder, GoldenTensors.Json(folder, "config.json").GetProperty("trainer").GetProperty("k").GetInt32());
        using var sae = SparseAutoencoder.FromWeights(config, expected.Read($"{last}encoder.weight").t(), expected.Read($"{last}encoder.bias"), decoder, expected.Read($"{last}b_dec"));

        Compare(sae, expected, "inference.feature_acts", "inference.out");
    }

    private void Compare(SparseAutoencoder sae, SafetensorsFile expected, string features, string reconstruction)
    {
        Tensor x = expected.Read("x");
        GoldenTensors.AssertClose(output, features, expected.Read(features), sae.Encode(x), Tolerance);
        GoldenTensors.AssertClose(output, reconstruction, expected.Read(reconstruction), sae.Reconstruct(x), Tolerance);
        GoldenTensors.AssertClose(output, $"{reconstruction}, decoded densely", expected.Read(reconstruction), sae.Decode(sae.Encode(x)), Tolerance);
    }

    private static SaeConfig Config(Tensor decoder, int k) => new() { DModel = (int)decoder.shape[1], DSae = (int)decoder.shape[0], K = k };
}

using System.Text.Json;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Tests.Dictionaries;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

/// <summary>Losses, gradients and every parameter after each update equal what the reference implementations recorded.</summary>
public sealed class SaeTrainingGoldenTests(ITestOutputHelper output)
{
    private const double Tolerance = 1e-5;
    private const double ParameterTolerance = 1e-4;

    public static TheoryData<string> SaeLens() => GoldenTensors.Of("saelens", nameof(Training_equals_SAELens), folder =>
        File.Exists(Path.Combine(folder, "run.json")) && GoldenTensors.Json(folder, "run.json").GetProperty("config") is var config
        && config.GetProperty("architecture").GetString() == "topk" && !config.GetProperty("rescale_acts_by_decoder_norm").GetBoolean());

    public static TheoryData<string> DictionaryLearning() => GoldenTensors.Of("dictionary_learning", nameof(Training_equals_dictionary_learning), folder =>
        GoldenTensors.Json(folder, "config.json").GetProperty("trainer").GetProperty("trainer_class").GetString() == "TopKTrainer");

    public static TheoryData<string> Sparsify() => GoldenTensors.Of("sparsify", nameof(Gradients_equal_sparsify), folder =>
        GoldenTensors.Json(folder, "cfg.json") is var cfg && cfg.GetProperty("activation").GetString() == "topk"
        && !cfg.GetProperty("multi_topk").GetBoolean() && !cfg.GetProperty("skip_connection").GetBoolean() && !cfg.GetProperty("transcode").GetBoolean());

    [Theory]
    [MemberData(nameof(SaeLens))]
    public void Training_equals_SAELens(string folder)
    {
        JsonElement run = GoldenTensors.Json(folder, "run.json"), cfg = run.GetProperty("config");
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        Tensor x = expected.Read("x");
        var config = new SaeTrainingConfig
        {
            DSae = cfg.GetProperty("d_sae").GetInt32(),
            K = cfg.GetProperty("k").GetInt32(),
            Batch = (int)x.shape[0],
            SubtractBDec = cfg.GetProperty("apply_b_dec_to_input").GetBoolean(),
            AuxCoefficient = cfg.GetProperty("aux_loss_coefficient").GetDouble(),
            AuxNormalisation = ErrorNormalisation.None,
            AuxRectified = false,
            AuxAddsBDec = true,
            AuxScalesWithDead = true,
            UnitNormDecoder = false,
            ClipGradNorm = run.GetProperty("grad_clip_norm").GetDouble(),
        };
        using SaeLearner learner = Start(config, expected, "W_enc", "b_enc", "W_dec", "b_dec", transposed: false);
        bool[] dead = [.. expected.Read("dead_mask").to(ScalarType.Bool).data<bool>()];
        for (int step = 0; step < run.GetProperty("steps").GetInt32(); step++)
        {
            string at = $"step{step}.";
            learner.Load(x.data<float>().ToArray(), (int)x.shape[0], 1);
            BatchLosses losses = learner.Compute(dead);
            GoldenTensors.AssertClose(output, $"{at}loss", expected.Read($"{at}loss"), losses.Loss, Tolerance);
            GoldenTensors.AssertClose(output, $"{at}mse_loss", expected.Read($"{at}losses.mse_loss"), losses.SquaredError / x.shape[0], Tolerance);
            GoldenTensors.AssertClose(output, $"{at}aux", expected.Read($"{at}losses.auxiliary_reconstruction_loss"), losses.AuxLoss * config.AuxCoefficient, Tolerance);
            GoldenTensors.AssertClose(output, $"{at}feature_acts", expected.Read($"{at}feature_acts"), GoldenTensors.Dense(learner.Code), Tolerance);
            GoldenTensors.AssertClose(output, $"{at}sae_out", expected.Read($"{at}sae_out"), TensorMemory.FromFloats(learner.Residual, x.shape) + x, Tolerance);
            GoldenTensors.AssertClose(output, $"{at}grad_norm", expected.Read($"{at}grad_norm"), learner.GradientNorm, Tolerance);
            Compare(expected, $"{at}grad.", learner.Gradients, "W_enc", "b_enc", "W_dec", "b_dec", false, Tolerance);
            learner.Update(1e-2);
            Compare(expected, $"{at}after.", learner.Weights, "W_enc", "b_enc", "W_dec", "b_dec", false, ParameterTolerance);
        }
    }

    [Theory]
    [MemberData(nameof(DictionaryLearning))]
    public void Training_equals_dictionary_learning(string folder)
    {
        JsonElement run = GoldenTensors.Json(folder, "run.json"), trainer = GoldenTensors.Json(folder, "config.json").GetProperty("trainer");
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        Tensor x = expected.Read("x");
        var config = new SaeTrainingConfig
        {
            DSae = trainer.GetProperty("dict_size").GetInt32(),
            K = trainer.GetProperty("k").GetInt32(),
            Batch = (int)x.shape[0],
            Lr = trainer.GetProperty("lr").GetDouble(),
            LrWarmUpSteps = trainer.GetProperty("warmup_steps").GetInt64(),
            LrWarmUpFromZero = true,
            LrDecayFraction = 0,
            Steps = trainer.GetProperty("steps").GetInt64(),
            AuxCoefficient = trainer.GetProperty("auxk_alpha").GetDouble(),
            DeadAfterTokens = run.GetProperty("dead_feature_threshold_tokens").GetInt64(),
        };
        using SaeLearner learner = Start(config, expected, "encoder.weight", "encoder.bias", "decoder.weight", "b_dec", transposed: true);
        for (int step = 0; step < run.GetProperty("updates").GetInt32(); step++)
        {
            learner.Load(x.data<float>().ToArray(), (int)x.shape[0], 1);
            if (step == 0) SaeInitialisation.SetDecoderBias(learner.Weights, config.BDecInit, learner.Inputs, (int)x.shape[0]);
            BatchLosses losses = learner.Compute();
            output.WriteLine($"step {step}: {losses}");
            GoldenTensors.AssertClose(output, $"step{step}.loss", expected.Read($"step{step}.loss"), losses.Loss, Tolerance);
            learner.Update(LearningRateSchedule.At(config, step));
            Compare(expected, $"step{step}.after.", learner.Weights, "encoder.weight", "encoder.bias", "decoder.weight", "b_dec", true, ParameterTolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Sparsify))]
    public void Gradients_equal_sparsify(string folder)
    {
        JsonElement cfg = GoldenTensors.Json(folder, "cfg.json");
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        Tensor x = expected.Read("x");
        Assert.True(x.bytes.SequenceEqual(expected.Read("y").bytes));
        var config = new SaeTrainingConfig
        {
            DSae = cfg.GetProperty("num_latents").GetInt32(),
            K = cfg.GetProperty("k").GetInt32(),
            Batch = (int)x.shape[0],
            UnitNormDecoder = false,
            LossNormalisation = ErrorNormalisation.TotalVariance,
            AuxNormalisation = ErrorNormalisation.TotalVariance,
            AuxAddsBDec = true,
            AuxScalesWithDead = true,
            AuxTrainsEncoder = false,
        };
        using SaeLearner learner = Start(config, expected, "encoder.weight", "encoder.bias", "W_dec", "b_dec", transposed: null);
        learner.Load(x.data<float>().ToArray(), (int)x.shape[0], 1);

        BatchLosses losses = learner.Compute([.. expected.Read("dead_mask").to(ScalarType.Bool).data<bool>()]);

        GoldenTensors.AssertClose(output, "loss", expected.Read("loss"), losses.Loss, Tolerance);
        GoldenTensors.AssertClose(output, "out.fvu", expected.Read("out.fvu"), losses.SquaredError / losses.Variance, Tolerance);
        GoldenTensors.AssertClose(output, "out.auxk_loss", expected.Read("out.auxk_loss"), losses.AuxLoss, Tolerance);
        GoldenTensors.AssertClose(output, "out.sae_out", expected.Read("out.sae_out"), TensorMemory.FromFloats(learner.Residual, x.shape) + x, Tolerance);
        Compare(expected, "grad.", learner.Gradients, "encoder.weight", "encoder.bias", "W_dec", "b_dec", null, Tolerance);
    }

    // Whether the matrices are stored as linear layers' weights: true for both, null for the encoder only.
    private static SaeLearner Start(SaeTrainingConfig config, SafetensorsFile file, string wEnc, string bEnc, string wDec, string bDec, bool? transposed)
    {
        Tensor encoder = file.Read($"init.{wEnc}"), decoder = file.Read($"init.{wDec}");
        using SaeWeights initial = SaeWeights.From(transposed == false ? encoder : encoder.t(), file.Read($"init.{bEnc}"), transposed == true ? decoder.t() : decoder, file.Read($"init.{bDec}"));
        var learner = new SaeLearner(config, initial.DModel, threads: 2);
        learner.Weights.Encoder.copy_(initial.Encoder);
        learner.Weights.BEnc.copy_(initial.BEnc);
        learner.Weights.Decoder.copy_(initial.Decoder);
        learner.Weights.BDec.copy_(initial.BDec);
        return learner;
    }

    private void Compare(SafetensorsFile expected, string prefix, SaeWeights actual, string wEnc, string bEnc, string wDec, string bDec, bool? transposed, double tolerance)
    {
        GoldenTensors.AssertClose(output, prefix + wEnc, expected.Read(prefix + wEnc), transposed == false ? actual.Encoder.t() : actual.Encoder, tolerance);
        GoldenTensors.AssertClose(output, prefix + bEnc, expected.Read(prefix + bEnc), actual.BEnc, tolerance);
        GoldenTensors.AssertClose(output, prefix + wDec, expected.Read(prefix + wDec), transposed == true ? actual.Decoder.t() : actual.Decoder, tolerance);
        GoldenTensors.AssertClose(output, prefix + bDec, expected.Read(prefix + bDec), actual.BDec, tolerance);
    }
}

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
    private const double Tolerance = 1e-5, ParameterTolerance = 1e-4, Noise = 1e-6;

    public static TheoryData<string> SaeLens() => GoldenTensors.Of("saelens", nameof(Training_equals_SAELens), folder => File.Exists(Path.Combine(folder, "run.json")));

    public static TheoryData<string> DictionaryLearning() => GoldenTensors.Of("dictionary_learning", nameof(Training_equals_dictionary_learning), folder => File.Exists(Path.Combine(folder, "run.json")));

    public static TheoryData<string> Sparsify() => GoldenTensors.Of("sparsify", nameof(Gradients_equal_sparsify), folder => File.Exists(Path.Combine(folder, "expected.safetensors")));

    [Theory]
    [MemberData(nameof(SaeLens))]
    public void Training_equals_SAELens(string folder)
    {
        JsonElement run = GoldenTensors.Json(folder, "run.json");
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        Tensor x = expected.Read("x");
        GoldenRun golden = GoldenRun.SaeLens(run, (int)x.shape[0]);
        foreach (bool dense in SaeArchitecture.Of(golden.Config.Architecture).Name is "relu" or "gated" or "jumprelu" ? new[] { false, true } : [false])
        {
            output.WriteLine(dense ? "the dense way" : "the sparse way");
            using SaeLearner learner = golden.Start(expected);
            learner.AlwaysDense = dense;
            bool[] dead = [.. expected.Read("dead_mask").to(ScalarType.Bool).data<bool>()];
            for (int step = 0; step < run.GetProperty("steps").GetInt32(); step++) Step(expected, golden, learner, dead, step);
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
        GoldenRun golden = GoldenRun.DictionaryLearning(run, trainer, (int)x.shape[0]);
        using SaeLearner learner = golden.Start(expected);
        learner.AlwaysDense = false;
        for (int step = 0; step < run.GetProperty("updates").GetInt32(); step++)
        {
            learner.Load(x.data<float>().ToArray(), (int)x.shape[0], 1);
            if (step == 0) SaeInitialisation.SetDecoderBias(learner.Weights, golden.Config.BDecInit, learner.Inputs, (int)x.shape[0]);
            BatchLosses losses = learner.Compute();
            output.WriteLine($"step {step}: {losses} {string.Join(", ", losses.Terms)}");
            GoldenTensors.AssertClose(output, $"step{step}.loss", expected.Read($"step{step}.loss"), losses.Loss, Tolerance);
            learner.Update(LearningRateSchedule.At(golden.Config, step));
            foreach (GoldenArray array in golden.Arrays) AssertParameter(expected, $"step{step}.after.{array.Name}", array.Of(learner.Weights), array.Of(learner.Gradients));
            string threshold = $"step{step}.after.threshold";
            if (expected.Entries.Any(entry => entry.Name == threshold && entry.Shape.Length == 0)) GoldenTensors.AssertClose(output, threshold, expected.Read(threshold), learner.Threshold.Value, Tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Sparsify))]
    public void Gradients_equal_sparsify(string folder)
    {
        JsonElement cfg = GoldenTensors.Json(folder, "cfg.json");
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        using var scope = NewDisposeScope();
        Tensor x = expected.Read("x"), y = expected.Read("y");
        GoldenRun golden = GoldenRun.Sparsify(cfg, (int)x.shape[0]);
        bool transcoder = cfg.GetProperty("transcode").GetBoolean();
        using SaeLearner learner = golden.Start(expected, transcoder);
        learner.Load(x.data<float>().ToArray(), (int)x.shape[0], 1, transcoder ? y.data<float>().ToArray() : null);

        BatchLosses losses = learner.Compute([.. expected.Read("dead_mask").to(ScalarType.Bool).data<bool>()]);

        output.WriteLine(string.Join(", ", losses.Terms));
        GoldenTensors.AssertClose(output, "loss", expected.Read("loss"), losses.Loss, Tolerance);
        GoldenTensors.AssertClose(output, "out.fvu", expected.Read("out.fvu"), losses.SquaredError / losses.Variance, Tolerance);
        GoldenTensors.AssertClose(output, "out.auxk_loss", expected.Read("out.auxk_loss"), losses.AuxLoss, Tolerance);
        GoldenTensors.AssertClose(output, "out.multi_topk_fvu", expected.Read("out.multi_topk_fvu"), 8 * losses.Terms.Where(term => term.Name == "multi_topk").Sum(term => term.Value), Tolerance);
        // With multi-TopK the reference gives out the larger selection and its reconstruction.
        Tensor latents = zeros(x.shape[0], golden.Config.DSae).scatter_(1, expected.Read("out.latent_indices").to(ScalarType.Int64), expected.Read("out.latent_acts"));
        Tensor selected = GoldenTensors.Dense(learner.Code!);
        GoldenTensors.AssertClose(output, "out.latent_acts", latents, golden.Config.MultiTopK == 1 ? selected : where(selected.ne(0), selected, latents), Tolerance);
        GoldenTensors.AssertClose(output, "out.sae_out", expected.Read("out.sae_out"), TensorMemory.FromFloats(golden.Config.MultiTopK == 1 ? learner.Residual : learner.SecondResidual, y.shape) + y, Tolerance);
        SaeOptimiser.ClearUntouched(learner.Gradients, learner.Touched);
        foreach (GoldenArray array in golden.Arrays) GoldenTensors.AssertClose(output, $"grad.{array.Name}", expected.Read($"grad.{array.Name}"), array.Of(learner.Gradients), Tolerance);
    }

    private void Step(SafetensorsFile expected, GoldenRun golden, SaeLearner learner, bool[] dead, int step)
    {
        string at = $"step{step}.";
        Tensor x = expected.Read("x");
        learner.Load(x.data<float>().ToArray(), (int)x.shape[0], 1);
        BatchLosses losses = learner.Compute(dead);
        GoldenTensors.AssertClose(output, $"{at}loss", expected.Read($"{at}loss"), losses.Loss, Tolerance);
        foreach (string name in expected.Entries.Select(entry => entry.Name).Where(name => name.StartsWith($"{at}losses.", StringComparison.Ordinal)))
        {
            GoldenTensors.AssertClose(output, name, expected.Read(name), losses.Terms.Single(term => term.Name == TermOf(name[$"{at}losses.".Length..], golden)).Value, Tolerance);
        }
        if (learner.Code is { } code)
        {
            Tensor acts = GoldenTensors.Dense(code);
            GoldenTensors.AssertClose(output, $"{at}feature_acts", expected.Read($"{at}feature_acts"), golden.Config.RescaleByDecoderNorm ? acts * learner.Weights.Decoder.norm(1) : acts, Tolerance);
        }
        GoldenTensors.AssertClose(output, $"{at}sae_out", expected.Read($"{at}sae_out"), TensorMemory.FromFloats(learner.Residual, x.shape) + x, Tolerance);
        GoldenTensors.AssertClose(output, $"{at}grad_norm", expected.Read($"{at}grad_norm"), learner.GradientNorm, Tolerance);
        SaeOptimiser.ClearUntouched(learner.Gradients, learner.Touched);
        foreach (GoldenArray array in golden.Arrays) GoldenTensors.AssertClose(output, $"{at}grad.{array.Name}", expected.Read($"{at}grad.{array.Name}"), array.Of(learner.Gradients), Tolerance);
        learner.Update(golden.Lr);
        foreach (GoldenArray array in golden.Arrays) AssertParameter(expected, $"{at}after.{array.Name}", array.Of(learner.Weights), expected.Read($"{at}grad.{array.Name}"));
        if (learner.Rule.SelectsBatch) GoldenTensors.AssertClose(output, $"{at}after.topk_threshold", expected.Read($"{at}after.topk_threshold").to(float32), learner.Threshold.Value, Tolerance);
    }

    private static string TermOf(string name, GoldenRun golden) => name switch
    {
        "mse_loss" => "reconstruction",
        "l1_loss" or "l0_loss" => "sparsity",
        "pre_act_loss" => "pre_act",
        "auxiliary_reconstruction_loss" => golden.Config.Architecture == "gated" ? "gate_reconstruction" : "aux",
        _ => name.Replace("inner_mse_loss_", "reconstruction_"),
    };

    // Adam makes a whole step of a gradient that is only rounding noise.
    private void AssertParameter(SafetensorsFile expected, string name, Tensor actual, Tensor gradient)
    {
        Tensor wanted = expected.Read(name), noise = gradient.abs().lt(Noise * gradient.abs().max().item<float>());
        output.WriteLine($"{name}: {noise.sum(ScalarType.Int64).item<long>()} elements of {noise.numel()} left out, their gradient being rounding noise");
        Assert.True(noise.numel() == 1 || noise.sum(ScalarType.Int64).item<long>() < noise.numel(), name);
        GoldenTensors.AssertClose(output, name, wanted, where(noise, wanted, actual), ParameterTolerance);
    }
}

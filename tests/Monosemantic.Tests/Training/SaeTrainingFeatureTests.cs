using System.Text.Json.Nodes;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

/// <summary>What surrounds the arithmetic of training: presets, scalings, resampling, many runs in a pass, resuming, the log.</summary>
public sealed class SaeTrainingFeatureTests(ITestOutputHelper output) : IDisposable
{
    private static readonly SaeTrainingConfig Small = new() { DSae = 48, K = 4, Steps = 40, Batch = 300, Lr = 3e-3, LrWarmUpSteps = 5, DeadAfterTokens = 900, CheckpointEvery = 7, Seed = 3, LogEvery = 6 };
    private readonly SyntheticActivations data = new(directions: 32, width: 12, active: 3);
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static TheoryData<string> Variants() => [.. AllVariants.Keys];

    private static Dictionary<string, SaeTrainingConfig> AllVariants { get; } = new()
    {
        ["batch_topk"] = Small with { Architecture = "batch_topk", BatchThreshold = new() { StartStep = 3 } },
        ["matryoshka"] = Small with { Architecture = "matryoshka_batch_topk" },
        ["jumprelu"] = Small with { Architecture = "jumprelu", JumpRelu = new() { PreActCoefficient = 0.01, Bandwidth = 0.3 }, Sparsity = new() { Coefficient = 0.1, WarmUpSteps = 20 } },
        ["l0 tuning"] = Small with { Architecture = "relu", Sparsity = new() { Coefficient = 0.1, L0Tuning = new() { Target = 4, Rate = 0.05, StartFraction = 0.1 } } },
        ["gated"] = Small with { Architecture = "gated", Sparsity = new() { Coefficient = 0.2 } },
        ["p-annealing"] = Small with { Architecture = "relu", Sparsity = new() { Loss = SparsityLoss.Lp, Coefficient = 0.1, PAnnealing = new() { PEnd = 0.5, Start = 10, Updates = 4, QueueLength = 3 } } },
        ["resampling"] = Small with { Resampling = new() { Every = 12, Times = 2, Inputs = 1500, WarmUpSteps = 3 } },
        ["whitening"] = Small with { InputScaling = InputScaling.Whitening },
        ["muon"] = Small with { Optimiser = OptimiserKind.Muon },
        ["signum, ghosts"] = Small with { Optimiser = OptimiserKind.Signum, AuxCoefficient = 0, GhostGradients = 1, Lr = 1e-3, DeadAfterSteps = 3, DeadBeforeBatch = true },
        ["matching pursuit"] = Small with { Architecture = "matching_pursuit" },
    };

    [Theory]
    [MemberData(nameof(Variants))]
    public void An_interrupted_run_resumes_to_the_same_bytes_and_threads_change_none(string variant)
    {
        SaeTrainingConfig config = AllVariants[variant];
        string whole = Path.Combine(folder, "whole"), halves = Path.Combine(folder, "halves");
        SaeTrainer.Train(config, data.Input(300), whole, threads: 1, cancellation: TestContext.Current.CancellationToken).Dispose();
        foreach (int stopAt in new[] { 9, 17, 31 })
        {
            using var cancellation = new CancellationTokenSource();
            var stop = new Immediately(step => { if (step.Step == stopAt) cancellation.Cancel(); });
            Assert.Throws<OperationCanceledException>(() => SaeTrainer.Train(config, data.Input(300), halves, resume: true, progress: stop, threads: 2, cancellation: cancellation.Token));
        }
        SaeTrainer.Train(config, data.Input(300), halves, resume: true, threads: 2, cancellation: TestContext.Current.CancellationToken).Dispose();

        Assert.Equal(Files(whole), Files(halves));
        Assert.Equal(["log.jsonl", "probes.safetensors", "sae.json", "sae.safetensors"], Files(whole).Keys);
    }

    [Fact]
    public void Runs_in_one_pass_equal_the_same_runs_alone_and_resume()
    {
        SaeGroupRun[] runs = [.. AllVariants.Where(variant => variant.Key != "resampling").Take(4).Select((variant, index) => new SaeGroupRun(variant.Key, variant.Value with { Seed = index, DataSeed = 3, Steps = 30 + (5 * index) }, Path.Combine(folder, "group", $"{index}")))];
        int asked = 0;
        SaeTrainingInput Input(SaeTrainingConfig config) => data.Input(300) with { BatchesFrom = first => Counted(data.From(first, 300)) };
        IEnumerable<ActivationBatch> Counted(IEnumerable<ActivationBatch> batches)
        {
            asked++;
            return batches;
        }
        using (var cancellation = new CancellationTokenSource())
        {
            Assert.Throws<OperationCanceledException>(() => SaeTrainerGroup.Train(runs, Input, progress: new Immediately<(string, TrainStep Step)>(report => { if (report.Step.Step == 13) cancellation.Cancel(); }), cancellation: cancellation.Token));
        }
        Assert.Equal(1, asked);
        SaeTrainerGroup.Train(runs, Input, resume: true, cancellation: TestContext.Current.CancellationToken);
        for (int i = 0; i < runs.Length; i++)
        {
            string alone = Path.Combine(folder, $"alone-{i}");
            SaeTrainer.Train(runs[i].Config, data.Input(300), alone, cancellation: TestContext.Current.CancellationToken).Dispose();
            Assert.Equal(Files(alone), Files(runs[i].Folder));
        }
        Assert.Contains("two runs", Assert.Throws<UserErrorException>(() => SaeTrainerGroup.Train([runs[0], runs[0]], Input, cancellation: TestContext.Current.CancellationToken)).Message);
    }

    [Theory]
    [InlineData(InputScaling.None)]
    [InlineData(InputScaling.MeanNormSqrtD)]
    [InlineData(InputScaling.MeanSquare)]
    [InlineData(InputScaling.LayerNorm)]
    [InlineData(InputScaling.Whitening)]
    public void Folding_a_scaling_changes_nothing_but_the_units(InputScaling scaling)
    {
        foreach (bool subtract in new[] { true, false })
        {
            using var scope = NewDisposeScope();
            var config = Small with { InputScaling = scaling, SubtractBDec = subtract, Architecture = "jumprelu", JumpRelu = new() { InitThreshold = 0.2, Bandwidth = 0.2 }, Sparsity = new() { Coefficient = 0.05 } };
            using var learner = new SaeLearner(config, 12);
            SaeTrainingInput input = data.Input(300);
            double scale = scaling is InputScaling.MeanNormSqrtD or InputScaling.MeanSquare ? SaeTrainer.ScaleOf(config, 12, input.MeanNorm) : 1;
            if (scaling == InputScaling.Whitening) learner.Whitening = Whitening.Of(input, scale);
            SaeInitialisation.Fill(learner.Weights, config);
            for (int step = 0; step < 30; step++)
            {
                learner.Load(data.Batch(step, 300).Values, 300, scale);
                learner.Compute();
                learner.Update(3e-3);
            }
            ActivationBatch batch = data.Batch(1000, 300);
            learner.Load(batch.Values, 300, scale);
            learner.AlwaysDense = false;
            learner.Compute();
            using SparseAutoencoder sae = TrainedAutoencoder.Of(config, input, learner, scale, scale, new());
            Tensor x = TensorMemory.FromFloats(batch.Values, 300, 12), scaled = TensorMemory.FromFloats(learner.Inputs, 300, 12), output = scaled + TensorMemory.FromFloats(learner.Residual, 300, 12);

            Assert.True(sae.Encode(x).allclose(Dictionaries.GoldenTensors.Dense(learner.Code!), 1e-3, 1e-4), $"{scaling}, {subtract}: f");
            Tensor raw = scaling switch
            {
                InputScaling.Whitening => output.mm(learner.Whitening!.Inverse) + learner.Whitening.Mean,
                InputScaling.LayerNorm => (output * (x.std(1, keepdim: true) + 1e-5f)) + x.mean([1], keepdim: true),
                _ => output / scale,
            };
            Assert.True(sae.Reconstruct(x).allclose(raw, 1e-3, 1e-3), $"{scaling}, {subtract}: x_hat");
        }
    }

    [Fact]
    public void Whitened_activations_have_unit_covariance()
    {
        using var scope = NewDisposeScope();
        using Whitening whitening = Whitening.Of(data.Input(300), 1);
        Tensor x = cat([.. Enumerable.Range(0, 64).Select(number => TensorMemory.FromFloats(data.Batch(number, 300).Values, 300, 12))]);
        whitening.Apply(x);

        Tensor covariance = (x - x.mean([0], keepdim: true)).t().mm(x - x.mean([0], keepdim: true)) / x.shape[0];
        Assert.True(covariance.allclose(eye(12), 1e-2, 1e-2));
    }

    [Fact]
    public void Resampling_gives_dead_features_badly_reconstructed_inputs()
    {
        foreach (ResamplingKind kind in Enum.GetValues<ResamplingKind>())
        {
            using var scope = NewDisposeScope();
            var config = Small with { Resampling = new() { Kind = kind, Every = 4, Inputs = 600, Times = 1 }, AuxCoefficient = 0, DSae = 20, K = 2, InputScaling = InputScaling.None };
            using var learner = new SaeLearner(config, 12);
            SaeInitialisation.Fill(learner.Weights, config);
            // Features 0 to 4 cannot fire.
            learner.Weights.BEnc.narrow(0, 0, 5).fill_(-1000);
            var inputs = new List<Tensor>();
            for (int step = 0; step < 4; step++)
            {
                learner.Load(data.Batch(step, 300).Values, 300, 1);
                inputs.Add(TensorMemory.FromFloats(learner.Inputs, 300, 12));
                learner.Compute();
                learner.Update(step < 3 ? 1e-3 : 0);
            }
            Tensor seen = nn.functional.normalize(kind == ResamplingKind.BatchError ? inputs[^1] : cat([inputs[2], inputs[3]]), dim: 1), living = learner.Weights.Encoder.narrow(0, 5, 15).norm(1).mean();
            for (int feature = 0; feature < 5; feature++)
            {
                Tensor decoder = learner.Weights.Decoder[feature], encoder = learner.Weights.Encoder[feature];
                Tensor cosine = seen.mv(decoder);
                Assert.True(cosine.max().item<float>() > 0.9999, $"feature {feature} is no input");
                Assert.Equal(1, decoder.norm().item<float>(), 1e-4);
                Assert.Equal(0, learner.Weights.BEnc[feature].item<float>());
                Assert.Equal(0, learner.Means.Encoder[feature].abs().max().item<float>());
                Assert.Equal(0, learner.Squares.Decoder[feature].abs().max().item<float>());
                float length = kind == ResamplingKind.BatchError ? inputs[^1][cosine.argmax().item<long>()].norm().item<float>() : 1;
                Assert.Equal(0.2f * living.item<float>() * length, encoder.norm().item<float>(), 1e-3f);
            }
        }
    }

    [Theory]
    [InlineData("relu", 8)]
    [InlineData("jumprelu", 8)]
    public void Tuning_the_coefficient_comes_near_the_L0_that_is_asked_for(string architecture, double target)
    {
        var config = Small with { Architecture = architecture, Steps = 1500, JumpRelu = new() { InitThreshold = 0.3, Bandwidth = 0.5 }, Sparsity = new() { Coefficient = 0.3 } };
        double plain = Last(config), tuned = Last(config with { Sparsity = config.Sparsity with { L0Tuning = new() { Target = target, Rate = 0.05 } } });
        output.WriteLine($"{architecture}: L0 {plain:F2} as it is, {tuned:F2} for {target}");
        Assert.InRange(tuned, 0.8 * target, 1.2 * target);

        double Last(SaeTrainingConfig settings)
        {
            using var trainer = new SaeTrainer(settings, data.Input(300));
            return trainer.Run().TakeLast(100).Average(step => step.L0);
        }
    }

    [Fact]
    public void Presets_fill_in_what_a_run_file_leaves_out()
    {
        string path = Path.Combine(folder, "run.json");
        foreach (string preset in SaePresets.Names)
        {
            File.WriteAllText(path, $$$"""{"preset": "{{{preset}}}", "d_sae": 128, "sparsity": {"coefficient": 7}}""");
            SaeTrainingConfig config = SaeTrainingConfig.Load(path);
            Assert.Equal(128, config.DSae);
            Assert.Equal(7, config.Sparsity.Coefficient);
            Assert.Equal(SaePresets.Of(preset, null).Sparsity with { Coefficient = 7 }, config.Sparsity);
            Assert.Equal(SaePresets.Of(preset, null) with { DSae = 128, Sparsity = config.Sparsity }, config);
        }
        File.WriteAllText(path, """{"preset": "saelens", "architecture": "gated"}""");
        Assert.Equal(("gated", 3e-4, true), SaeTrainingConfig.Load(path) is var gated ? (gated.Architecture, gated.Lr, gated.GateTrainsDecoder) : default);
        File.WriteAllText(path, """{"preset": "sealens"}""");
        Assert.Contains("saelens", Assert.Throws<UserErrorException>(() => SaeTrainingConfig.Load(path)).Hint);
    }

    [Fact]
    public void The_log_has_a_line_every_few_steps_and_the_last()
    {
        SaeTrainer.Train(Small, data.Input(300), Path.Combine(folder, "sae"), cancellation: TestContext.Current.CancellationToken).Dispose();

        JsonNode[] lines = [.. File.ReadLines(Path.Combine(folder, "sae", "log.jsonl")).Select(line => JsonNode.Parse(line)!)];
        Assert.Equal([6, 12, 18, 24, 30, 36, 40], lines.Select(line => (int)line["step"]!));
        Assert.All(lines, line => Assert.Equal((double)line["loss"]!, line["terms"]!.AsArray().Sum(term => (double)term!["value"]!), 1e-9));
    }

    [Fact]
    public void A_training_that_leads_nowhere_stops_with_the_reason()
    {
        static BatchLosses Losses(double error, int active) => new(error, error, 0, 1, active, 0, []);
        static UserErrorException Stopped(Func<long, BatchLosses> at)
        {
            var watch = new DivergenceWatch(Small);
            return Assert.Throws<UserErrorException>(() => { for (long step = 1; step <= 100; step++) watch.Check(step, at(step), 1, 1); });
        }

        UserErrorException silent = Stopped(step => Losses(1, step < 30 ? 5 : 0)), exploded = Stopped(step => Losses(step < 50 ? 1 : 5000, 5));
        Assert.Contains("step 49: no feature has fired", silent.Message);
        Assert.Contains("sparsity.coefficient", silent.Hint);
        Assert.Contains("step 69", exploded.Message);
        Assert.Contains("diverged", exploded.Message);
        // A loss that jumps and comes back, or is large at first, is none of our business.
        var calm = new DivergenceWatch(Small);
        for (long step = 1; step <= 100; step++) calm.Check(step, Losses(step % 15 == 0 ? 5000 : 1, (int)(step % 15)), 1, 1);
    }

    [Fact]
    public void A_transcoder_predicts_another_site_and_a_crosscoder_several()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        Tensor map = randn(12, 9, generator: generator);
        IEnumerable<ActivationBatch> Mapped(long first) => data.From(first, 300).Select(batch => With(batch, TensorMemory.FromFloats(batch.Values, 300, 12).mm(map), 9));
        SaeTrainingInput input = data.Input(300) with { TargetsFrom = Mapped, DOut = 9, TargetMeanNorm = 3, HookPoint = "in", HookPointOut = "out" };
        using var transcoder = new SaeTrainer(Small with { Steps = 300, SkipConnection = true, SubtractBDec = false, Architecture = "batch_topk" }, input);
        TrainStep last = transcoder.Run().Last();
        using SparseAutoencoder sae = transcoder.Snapshot();
        Tensor x = TensorMemory.FromFloats(data.Batch(900, 300).Values, 300, 12), y = x.mm(map);
        double fvu = ((sae.Reconstruct(x) - y).pow(2).sum() / (y - y.mean([0], keepdim: true)).pow(2).sum()).item<float>();
        Assert.True(fvu < 0.1 && last.Fvu < 0.1, $"{fvu} {last.Fvu}");
        Assert.Equal((9, "out"), (sae.Config.Outputs, sae.Config.HookPointOut));
        sae.Save(Path.Combine(folder, "transcoder"));
        using SparseAutoencoder loaded = SparseAutoencoder.Load(Path.Combine(folder, "transcoder"));
        Assert.True(loaded.Reconstruct(x).equal(sae.Reconstruct(x)).all().item<bool>());
    }

    [Fact]
    public void A_splice_with_the_error_term_leaves_an_unedited_pass_as_it_is()
    {
        using var scope = NewDisposeScope();
        using var trainer = new SaeTrainer(Small, data.Input(300));
        _ = trainer.Run().Last();
        using SparseAutoencoder sae = trainer.Snapshot();
        Tensor value = TensorMemory.FromFloats(data.Batch(5, 300).Values, 3, 100, 12);
        var at = Monosemantic.Models.HookPoint.Parse("blocks.0.hook_resid_post");

        Assert.True(new SaeSplice(sae).Hook(at, value).equal(value).all().item<bool>());
        Assert.True(new SaeSplice(sae, edit: f => f).Hook(at, value).equal(value).all().item<bool>());
        Assert.True(new SaeSplice(sae, errorTerm: false).Hook(at, value).equal(sae.Reconstruct(value.view(-1, 12)).view_as(value)).all().item<bool>());
        long feature = sae.Encode(value.view(-1, 12)).sum(dim: 0).argmax().item<long>();
        Tensor off = new SaeSplice(sae, edit: f => f.index_fill_(1, tensor(new[] { feature }), 0)).Hook(at, value);
        Tensor expected = value.view(-1, 12) - (sae.Encode(value.view(-1, 12)).narrow(1, feature, 1) * sae.WDec[feature]);
        Assert.True(off.view(-1, 12).allclose(expected, 1e-4, 1e-4));
    }

    private static ActivationBatch With(ActivationBatch batch, Tensor values, int width) =>
        new() { Rows = batch.Rows, DModel = width, Index = batch.Index, Values = values.data<float>().ToArray(), Documents = batch.Documents, Positions = batch.Positions, Tokens = batch.Tokens };

    private static SortedDictionary<string, string> Files(string path) => new(Directory.GetFiles(path).ToDictionary(file => Path.GetFileName(file), Hashing.OfFile), StringComparer.Ordinal);

    private sealed class Immediately(Action<TrainStep> report) : IProgress<TrainStep>
    {
        public void Report(TrainStep value) => report(value);
    }

    private sealed class Immediately<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}

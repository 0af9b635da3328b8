using Monosemantic.Dictionaries;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

/// <summary>The kernels' losses and gradients equal those of the plain definition, differentiated by libtorch in double precision.</summary>
public sealed class SaeGradientTests(ITestOutputHelper output)
{
    private const double Tolerance = 1e-5;

    private static readonly (string Name, SaeTrainingConfig Config)[] Variants =
    [
        ("topk", Plain("topk")),
        ("topk, unbound aux", Plain("topk") with { SubtractBDec = false, AuxCoefficient = 0.5, AuxNormalisation = ErrorNormalisation.None, AuxRectified = false, AuxScalesWithDead = true }),
        ("topk, variances", Plain("topk") with { LossNormalisation = ErrorNormalisation.TotalVariance, AuxNormalisation = ErrorNormalisation.TotalVariance, AuxAddsBDec = true, AuxK = 3, AuxTrainsEncoder = false }),
        ("topk, ranked by norm", Plain("topk") with { RescaleByDecoderNorm = true }),
        ("topk, multi", Plain("topk") with { MultiTopK = 4 }),
        ("topk, ghosts", Plain("topk") with { AuxCoefficient = 0, GhostGradients = 0.7 }),
        ("batch_topk", Plain("batch_topk")),
        ("batch_topk, ranked by norm", Plain("batch_topk") with { RescaleByDecoderNorm = true }),
        ("matryoshka", Plain("matryoshka_batch_topk")),
        ("matryoshka, weights", Plain("matryoshka_batch_topk") with { Matryoshka = new() { Widths = [5, 11], Weights = [0.3, 0.2, 0.7] } }),
        ("matryoshka, aux per level", Plain("matryoshka_batch_topk") with { RescaleByDecoderNorm = true, AuxK = 3, AuxScalesWithDead = true, AuxNormalisation = ErrorNormalisation.None, Matryoshka = new() { Widths = [5, 11], AuxPerLevel = true } }),
        ("abs_topk", Plain("abs_topk")),
        ("groupmax", Plain("groupmax")),
        ("relu, l1", Plain("relu") with { Sparsity = new() { Coefficient = 0.4, WeightedByDecoderNorm = false } }),
        ("relu, weighted l1", Plain("relu") with { Sparsity = new() { Coefficient = 0.4 } }),
        ("relu, lp", Plain("relu") with { Sparsity = new() { Loss = SparsityLoss.Lp, P = 1.6, Coefficient = 0.3 } }),
        ("relu, lp below 1", Plain("relu") with { Sparsity = new() { Loss = SparsityLoss.Lp, P = 0.6, Coefficient = 0.01, WeightedByDecoderNorm = false } }),
        ("relu, lp power", Plain("relu") with { Sparsity = new() { Loss = SparsityLoss.LpPower, P = 0.5, Coefficient = 0.1, WeightedByDecoderNorm = false } }),
        ("relu, tanh, ghosts", Plain("relu") with { GhostGradients = 1, Sparsity = new() { Loss = SparsityLoss.Tanh, Coefficient = 0.2 } }),
        ("gated", Plain("gated") with { Sparsity = new() { Coefficient = 0.3 } }),
        ("gated, decoder trained", Plain("gated") with { GateTrainsDecoder = true, Sparsity = new() { Coefficient = 0.3, WeightedByDecoderNorm = false } }),
        ("gated, lp", Plain("gated") with { Sparsity = new() { Loss = SparsityLoss.Lp, P = 1.7, Coefficient = 0.3 } }),
        ("jumprelu, step", Plain("jumprelu") with { JumpRelu = new() { Bandwidth = 0.4 }, Sparsity = new() { Coefficient = 0.2 } }),
        ("jumprelu, tanh, pull", Plain("jumprelu") with { JumpRelu = new() { Bandwidth = 0.4, PreActCoefficient = 0.1, Parameter = ThresholdParameter.Rectified }, Sparsity = new() { Loss = SparsityLoss.Tanh, Coefficient = 0.2 } }),
        ("jumprelu, target", Plain("jumprelu") with { JumpRelu = new() { Bandwidth = 0.5, StepOnOutput = true, Parameter = ThresholdParameter.Direct }, Sparsity = new() { Loss = SparsityLoss.TargetL0, TargetL0 = 3, Coefficient = 0.2 } }),
        ("prolu, ste", Plain("prolu") with { Sparsity = new() { Coefficient = 0.2 } }),
        ("prolu, relu", Plain("prolu") with { ProLuGradient = ProLuGradient.Relu, Sparsity = new() { Coefficient = 0.2, WeightedByDecoderNorm = false } }),
        ("matching_pursuit", Plain("matching_pursuit")),
        ("matching_pursuit, not centred", Plain("matching_pursuit") with { SubtractBDec = false, ResidualThreshold = 1.5 }),
    ];

    public static TheoryData<string, int, int, int, int, int> Cases()
    {
        (int, int, int, int, int)[] shapes = [(1, 2, 1, 3, 0), (5, 14, 7, 7, 4), (16, 64, 8, 48, 20), (33, 200, 10, 131, 60), (64, 1024, 32, 300, 7), (24, 40, 4, 600, 39)];
        var data = new TheoryData<string, int, int, int, int, int>();
        foreach ((string name, _) in Variants) foreach ((int d, int f, int k, int n, int dead) in shapes) data.Add(name, d, f, k, n, dead);
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Sparse_gradients_equal_dense_autograd(string variant, int dModel, int dSae, int k, int batch, int dead)
    {
        SaeTrainingConfig config = Variants.Single(one => one.Name == variant).Config with { DSae = dSae, K = k, Batch = batch };
        if (config.Matryoshka.Widths is not null) config = config with { Matryoshka = config.Matryoshka with { Widths = [Math.Max(1, dSae / 5), Math.Max(2, dSae / 2)] } };
        if (config.LevelWidths().Length != (config.Matryoshka.Weights?.Length ?? config.LevelWidths().Length)) config = config with { Matryoshka = new() };
        Compare(config, dModel, null, dead, 1, alwaysDense: false);
        if (config.Architecture is "relu" or "gated" or "jumprelu" or "prolu") Compare(config, dModel, null, dead, 1, alwaysDense: true);
    }

    [Theory]
    [InlineData("topk", 12, 20)]
    [InlineData("batch_topk", 20, 12)]
    [InlineData("jumprelu", 9, 17)]
    [InlineData("relu", 16, 16)]
    public void Transcoders_with_a_skip_connection_equal_dense_autograd(string architecture, int dIn, int dOut)
    {
        SaeTrainingConfig config = Plain(architecture) with { DSae = 60, K = 5, Batch = 70, SubtractBDec = false };
        foreach (bool skip in new[] { false, true }) Compare(config with { SkipConnection = skip }, dIn, dOut, 10, 1, alwaysDense: false);
        if (architecture == "relu") Compare(config with { SkipConnection = true }, dIn, dOut, 10, 1, alwaysDense: true);
    }

    [Theory]
    [InlineData("relu")]
    [InlineData("batch_topk")]
    [InlineData("jumprelu")]
    public void Crosscoders_equal_dense_autograd(string architecture) =>
        Compare(Plain(architecture) with { DSae = 70, K = 5, Batch = 64, SubtractBDec = false, RescaleByDecoderNorm = architecture == "batch_topk", Sparsity = new() { Coefficient = 0.3, WeightedByDecoderNorm = true } }, 24, null, 10, 3, alwaysDense: false);

    [Fact]
    public void Unit_norm_leaves_no_gradient_along_a_decoder_row_and_rows_of_length_1()
    {
        foreach (OptimiserKind kind in Enum.GetValues<OptimiserKind>())
        {
            var config = new SaeTrainingConfig { DSae = 50, K = 5, Batch = 40, AuxCoefficient = 0, Optimiser = kind };
            using var scope = NewDisposeScope();
            using SaeLearner learner = Start(config, 12);
            learner.Compute();

            Tensor along = (learner.Gradients.Decoder * learner.Weights.Decoder).sum(dim: 1).abs();
            Assert.True(along.max().item<float>() < 1e-4 * learner.Gradients.Decoder.abs().max().item<float>());
            learner.Update(0.01);
            Assert.True((learner.Weights.Decoder.norm(1) - 1).abs().max().item<float>() < 1e-5);
        }
    }

    [Fact]
    public void Updates_equal_Adam_of_libtorch_also_where_a_feature_never_fires()
    {
        var config = new SaeTrainingConfig { DSae = 300, K = 2, Batch = 20, UnitNormDecoder = false, ClipGradNorm = 0.05 };
        using var scope = NewDisposeScope();
        using SaeLearner learner = Start(config, 11);
        var reference = new TorchSharp.Modules.Parameter(learner.Weights.Encoder.clone());
        using optim.Optimizer adam = optim.Adam([reference], lr: 0.01);
        for (int step = 0; step < 4; step++)
        {
            learner.Load(randn(20, 11).data<float>().ToArray(), 20, 1);
            learner.Compute();
            SaeOptimiser.ClearUntouched(learner.Gradients, learner.Touched);
            reference.grad = learner.Gradients.Encoder * Math.Min(1, 0.05 / (learner.GradientNorm + 1e-6));
            adam.step();
            learner.Update(0.01);
        }

        Assert.True(learner.Weights.Encoder.allclose(reference, 1e-5, 1e-6));
    }

    [Fact]
    public void Signum_moves_every_parameter_by_the_learning_rate_against_the_mean_gradient()
    {
        var config = new SaeTrainingConfig { DSae = 30, K = 4, Batch = 40, UnitNormDecoder = false, ClipGradNorm = 0, Optimiser = OptimiserKind.Signum, Momentum = 0.9 };
        using var scope = NewDisposeScope();
        using SaeLearner learner = Start(config, 11);
        Tensor weights = learner.Weights.Encoder.clone(), mean = zeros_like(weights);
        for (int step = 0; step < 3; step++)
        {
            learner.Load(randn(40, 11).data<float>().ToArray(), 40, 1);
            learner.Compute();
            SaeOptimiser.ClearUntouched(learner.Gradients, learner.Touched);
            mean = (mean * 0.9) + (learner.Gradients.Encoder * 0.1);
            weights -= mean.sign() * 0.01;
            learner.Update(0.01);
        }

        Assert.True(learner.Weights.Encoder.allclose(weights, 1e-5, 1e-6));
    }

    [Fact]
    public void Muon_moves_a_matrix_along_nearly_orthogonal_directions()
    {
        var config = new SaeTrainingConfig { DSae = 64, K = 8, Batch = 200, UnitNormDecoder = false, ClipGradNorm = 0, Optimiser = OptimiserKind.Muon };
        using var scope = NewDisposeScope();
        using SaeLearner learner = Start(config, 16);
        Tensor before = learner.Weights.Encoder.clone();
        learner.Compute();
        learner.Update(0.01);

        Tensor move = (before - learner.Weights.Encoder) / (0.01 * Math.Sqrt(64 / 16.0));
        Tensor values = linalg.svdvals(move);
        output.WriteLine($"singular values {values.min().item<float>():F3} to {values.max().item<float>():F3}");
        Assert.InRange(values.max().item<float>(), 0.6f, 1.4f);
        Assert.InRange(values.median().item<float>(), 0.6f, 1.4f);
    }

    private static SaeTrainingConfig Plain(string architecture) => new() { Architecture = architecture, UnitNormDecoder = false };

    private static void Compare(SaeTrainingConfig config, int dModel, int? dOut, int dead, int sites, bool alwaysDense)
    {
        using var scope = NewDisposeScope();
        using SaeLearner learner = Start(config, dModel, dOut, sites);
        learner.AlwaysDense = alwaysDense;
        bool[] mask = [.. Enumerable.Range(0, config.DSae).Select(feature => feature < dead)];

        BatchLosses losses = learner.Compute(mask);

        // Ghost gradients divide by squared differences, and f^(p - 1) by f, that may be next to nothing: few digits of float32 are left.
        double tolerance = config.GhostGradients > 0 || config.Sparsity.P < 1 ? 5e-3 : Tolerance;
        var definition = new DenseDefinition(config, learner, mask, sites);
        Tensor loss = definition.Loss();
        loss.backward();
        Assert.Equal(loss.item<double>(), losses.Loss, tolerance * Math.Abs(loss.item<double>()));
        SaeOptimiser.ClearUntouched(learner.Gradients, learner.Touched);
        string[] names = [.. learner.Weights.Features.ToArray().Select((_, index) => $"vector {index}")];
        double square = 0;
        foreach (((string name, Tensor parameter), (_, Tensor actual)) in definition.Parameters.Zip(learner.Gradients.All(names)))
        {
            Tensor expected = parameter.grad ?? zeros_like(parameter);
            double difference = (expected - actual).abs().max().item<double>(), largest = expected.abs().max().item<double>();
            Assert.True(difference <= (tolerance * largest) + 1e-11, $"{name}: {difference:E2} of {largest:E2}");
            square += expected.pow(2).sum().item<double>();
        }
        Assert.Equal(Math.Sqrt(square), learner.GradientNorm, tolerance * learner.GradientNorm);
    }

    private static SaeLearner Start(SaeTrainingConfig config, int dModel, int? dOut = null, int sites = 1)
    {
        using var generator = new Generator((ulong)(dModel + config.DSae));
        var learner = new SaeLearner(config, dModel, threads: 2, dOut: dOut, sites: sites);
        SaeInitialisation.Fill(learner.Weights, config with { Seed = 5 });
        foreach ((string name, Tensor value) in learner.Weights.All([.. learner.Weights.Features.ToArray().Select((_, index) => $"vector {index}")]))
        {
            Tensor noise = randn(value.shape, generator: generator);
            if (!name.StartsWith("vector", StringComparison.Ordinal)) value.add_(noise * 0.1f);
            else if (config.Architecture == "jumprelu") value.copy_(config.JumpRelu.Parameter == ThresholdParameter.Log ? (noise * 0.3f) - 1 : (noise * 0.1f) + 0.3f);
            else value.copy_(noise * 0.2f);
        }
        float[] targets = randn(config.Batch, dOut ?? dModel, generator: generator).data<float>().ToArray();
        learner.Load(randn(config.Batch, dModel, generator: generator).data<float>().ToArray(), config.Batch, 1, dOut is null ? null : targets);
        return learner;
    }
}

using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

/// <summary>The kernels' losses and gradients equal those of the plain definition, differentiated by libtorch in double precision.</summary>
public sealed class SaeGradientTests
{
    private const double Tolerance = 1e-5;

    public static TheoryData<int, int, int, int, int> Shapes() => new()
    {
        { 1, 2, 1, 3, 0 }, { 5, 13, 13, 7, 4 }, { 16, 64, 6, 48, 20 }, { 33, 200, 9, 131, 60 }, { 64, 1000, 32, 300, 7 }, { 24, 40, 3, 600, 39 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Sparse_gradients_equal_dense_autograd(int dModel, int dSae, int k, int batch, int dead)
    {
        var plain = new SaeTrainingConfig { DSae = dSae, K = k, Batch = batch, UnitNormDecoder = false };
        Compare(plain, dModel, dead);
        Compare(plain with { SubtractBDec = false, AuxCoefficient = 0.5, AuxNormalisation = ErrorNormalisation.None, AuxRectified = false, AuxScalesWithDead = true }, dModel, dead);
        Compare(plain with { LossNormalisation = ErrorNormalisation.TotalVariance, AuxNormalisation = ErrorNormalisation.TotalVariance, AuxAddsBDec = true, AuxK = 3, AuxTrainsEncoder = false }, dModel, dead);
    }

    [Fact]
    public void Unit_norm_leaves_no_gradient_along_a_decoder_row_and_rows_of_length_1()
    {
        var config = new SaeTrainingConfig { DSae = 50, K = 5, Batch = 40, AuxCoefficient = 0 };
        using var scope = NewDisposeScope();
        using SaeLearner learner = Start(config, 12, out _);
        learner.Compute();

        Tensor along = (learner.Gradients.Decoder * learner.Weights.Decoder).sum(dim: 1).abs();
        Assert.True(along.max().item<float>() < 1e-4 * learner.Gradients.Decoder.abs().max().item<float>());
        learner.Update(0.01);
        Assert.True((learner.Weights.Decoder.norm(1) - 1).abs().max().item<float>() < 1e-5);
    }

    [Fact]
    public void Updates_equal_Adam_of_libtorch_also_where_a_feature_never_fires()
    {
        var config = new SaeTrainingConfig { DSae = 300, K = 2, Batch = 20, UnitNormDecoder = false, ClipGradNorm = 0.05 };
        using var scope = NewDisposeScope();
        using SaeLearner learner = Start(config, 11, out _);
        var reference = new TorchSharp.Modules.Parameter(learner.Weights.Encoder.clone());
        using optim.Optimizer adam = optim.Adam([reference], lr: 0.01);
        for (int step = 0; step < 4; step++)
        {
            float[] batch = randn(20, 11).data<float>().ToArray();
            learner.Load(batch, 20, 1);
            learner.Compute();
            Tensor touched = learner.Gradients.BEnc.ne(0).unsqueeze(1);
            reference.grad = where(touched, learner.Gradients.Encoder, 0f) * Math.Min(1, 0.05 / (learner.GradientNorm + 1e-6));
            adam.step();
            learner.Update(0.01);
        }

        Assert.True(learner.Weights.Encoder.allclose(reference, 1e-5, 1e-6));
    }

    private static void Compare(SaeTrainingConfig config, int dModel, int dead)
    {
        using var scope = NewDisposeScope();
        using SaeLearner learner = Start(config, dModel, out Tensor x);
        bool[] mask = [.. Enumerable.Range(0, config.DSae).Select(feature => feature < dead)];

        BatchLosses losses = learner.Compute(mask);

        Tensor[] parameters = [.. new[] { learner.Weights.Encoder.t(), learner.Weights.BEnc, learner.Weights.Decoder, learner.Weights.BDec }.Select(tensor => tensor.to(float64).detach().requires_grad_())];
        Tensor loss = DenseLoss(config, x.to(float64), parameters, tensor(mask));
        loss.backward();
        Assert.Equal(loss.item<double>(), losses.Loss, Tolerance * Math.Abs(loss.item<double>()));
        Tensor[] gradients = [Touched(learner.Gradients.Encoder, learner).t(), learner.Gradients.BEnc, Touched(learner.Gradients.Decoder, learner), learner.Gradients.BDec];
        for (int i = 0; i < 4; i++)
        {
            Tensor expected = parameters[i].grad!;
            double difference = (expected - gradients[i]).abs().max().item<double>(), largest = expected.abs().max().item<double>();
            Assert.True(difference <= (Tolerance * largest) + 1e-12, $"parameter {i}: {difference:E2} of {largest:E2}");
        }
        Assert.Equal(Math.Sqrt(parameters.Sum(parameter => parameter.grad!.pow(2).sum().item<double>())), learner.GradientNorm, 1e-5 * learner.GradientNorm);
    }

    // Rows of features that took no part are not written; their gradient is zero by definition.
    private static Tensor Touched(Tensor gradient, SaeLearner learner) => where(tensor(learner.Touched.ToArray()).unsqueeze(1), gradient, zeros_like(gradient));

    private static Tensor DenseLoss(SaeTrainingConfig config, Tensor x, Tensor[] parameters, Tensor dead)
    {
        (Tensor wEnc, Tensor bEnc, Tensor wDec, Tensor bDec) = (parameters[0], parameters[1], parameters[2], parameters[3]);
        Tensor pre = (config.SubtractBDec ? x - bDec : x).mm(wEnc) + bEnc;
        Tensor output = Select(pre, config.K).relu().mm(wDec) + bDec;
        Tensor variance = (x - x.mean([0], keepdim: true)).pow(2).sum();
        Tensor error = (output - x).pow(2).sum();
        Tensor loss = config.LossNormalisation == ErrorNormalisation.None ? error / x.shape[0] : error / variance;
        int count = (int)dead.sum().item<long>(), most = Math.Max(1, config.AuxK ?? (int)(x.shape[1] / 2));
        if (count == 0) return loss;
        Tensor source = config.AuxTrainsEncoder ? pre : pre.detach();
        Tensor candidates = where(dead, config.AuxRectified ? source.relu() : source, full_like(pre, double.NegativeInfinity));
        Tensor residual = (x - output).detach();
        Tensor aux = (Select(candidates, Math.Min(most, count)).mm(wDec) + (config.AuxAddsBDec ? bDec : zeros_like(bDec)) - residual).pow(2).sum();
        Tensor divisor = config.AuxNormalisation switch
        {
            ErrorNormalisation.None => tensor((double)x.shape[0]),
            ErrorNormalisation.TotalVariance => variance,
            _ => (residual - residual.mean([0], keepdim: true)).pow(2).sum(),
        };
        double scale = config.AuxScalesWithDead ? Math.Min(count / (double)most, 1) : 1;
        return divisor.item<double>() > 0 ? loss + (config.AuxCoefficient * scale * aux / divisor) : loss;
    }

    private static Tensor Select(Tensor values, int k)
    {
        (Tensor largest, Tensor indices) = values.topk(k);
        return zeros_like(values).scatter(1, indices, largest);
    }

    private static SaeLearner Start(SaeTrainingConfig config, int dModel, out Tensor x)
    {
        using var generator = new Generator((ulong)(dModel + config.DSae));
        var learner = new SaeLearner(config, dModel, threads: 2);
        SaeInitialisation.Fill(learner.Weights, 5);
        learner.Weights.BEnc.copy_(randn(config.DSae, generator: generator) * 0.1f);
        learner.Weights.BDec.copy_(randn(dModel, generator: generator) * 0.3f);
        learner.Weights.Encoder.add_(randn(config.DSae, dModel, generator: generator) * 0.1f);
        x = randn(config.Batch, dModel, generator: generator);
        learner.Load(x.data<float>().ToArray(), config.Batch, 1);
        return learner;
    }
}

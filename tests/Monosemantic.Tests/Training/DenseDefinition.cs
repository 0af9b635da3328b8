using Monosemantic.Dictionaries;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

/// <summary>
/// Every architecture and loss written out once more as plain dense tensor code in float64, for libtorch's autograd to
/// differentiate: the oracle of the sparse engine. Straight-through estimates are terms whose value is 0.
/// </summary>
internal sealed class DenseDefinition
{
    private readonly SaeTrainingConfig config;
    private readonly RuleOptions options;
    private readonly Tensor x, y, dead;
    private readonly Tensor wEnc, bEnc, wDec, bDec;
    private readonly Tensor[] features;
    private readonly Tensor? skip;
    private readonly int deadCount, sites;
    private readonly double k, sparsity;

    /// <summary>Takes over a learner's parameters and batch.</summary>
    internal DenseDefinition(SaeTrainingConfig config, SaeLearner learner, bool[] dead, int sites = 1)
    {
        (this.config, this.sites) = (config, sites);
        options = config.RuleOptions(sites);
        x = Of(TensorFrom(learner.Inputs, learner.Weights.DIn));
        y = Of(TensorFrom(learner.Targets, learner.Weights.DOut));
        this.dead = tensor(dead);
        deadCount = dead.Count(is_ => is_);
        (k, sparsity) = (config.K, learner.Sparsity.At(learner.Updates));
        Parameters = [.. learner.Weights.All([.. learner.Weights.Features.ToArray().Select((_, index) => $"vector {index}")]).Select(array => (array.Name, array.Value.to(float64).detach().clone().requires_grad_()))];
        bool tied = learner.Weights.Shape.Tied;
        wDec = Parameters.Single(parameter => parameter.Name == "W_dec").Value;
        bDec = Parameters.Single(parameter => parameter.Name == "b_dec").Value;
        wEnc = tied ? wDec.t() : Parameters.Single(parameter => parameter.Name == "encoder_rows").Value.t();
        bEnc = tied ? zeros(config.DSae, float64) : Parameters.Single(parameter => parameter.Name == "b_enc").Value;
        features = [.. Parameters.Where(parameter => parameter.Name.StartsWith("vector", StringComparison.Ordinal)).Select(parameter => parameter.Value)];
        skip = Parameters.Where(parameter => parameter.Name == "W_skip").Select(parameter => parameter.Value).FirstOrDefault();
    }

    /// <summary>The parameters, in the learner's order and orientation.</summary>
    internal (string Name, Tensor Value)[] Parameters { get; }

    private Tensor Norms => wDec.view(config.DSae, sites, -1).norm(2).sum(1);

    private Tensor Centred => config.SubtractBDec ? x - bDec : x;

    /// <summary>The loss.</summary>
    internal Tensor Loss()
    {
        Tensor variance = (y - y.mean([0], keepdim: true)).pow(2).sum();
        double factor = config.LossNormalisation == ErrorNormalisation.None ? 1.0 / x.shape[0] : 1 / variance.item<double>();
        (Tensor f, Tensor? second, Tensor penalty) = Encode();
        int[] widths = config.LevelWidths();
        Tensor loss = penalty;
        for (int level = 0; level < widths.Length; level++)
        {
            Tensor output = Decode(f.narrow(1, 0, widths[level]), wDec.narrow(0, 0, widths[level]), bDec);
            loss += (output - y).pow(2).sum() * factor * config.LevelWeight(level, widths.Length);
        }
        if (second is not null)
        {
            bool frozen = config.MultiTopK == 1 && !config.GateTrainsDecoder;
            Tensor output = Decode(second, frozen ? wDec.detach() : wDec, frozen ? bDec.detach() : bDec);
            loss += (output - y).pow(2).sum() * factor * (config.MultiTopK > 1 ? config.MultiTopKWeight : 1);
        }
        Tensor residual = (y - Decode(f, wDec, bDec)).detach();
        if (!config.Matryoshka.AuxPerLevel) return loss + Auxiliary(residual, variance, 0, config.DSae) + Ghosts(residual);
        for (int level = 0; level < widths.Length; level++)
        {
            Tensor left = (y - Decode(f.narrow(1, 0, widths[level]), wDec.narrow(0, 0, widths[level]), bDec)).detach();
            loss += Auxiliary(left, variance, level == 0 ? 0 : widths[level - 1], widths[level]);
        }
        return loss + Ghosts(residual);
    }

    private Tensor Decode(Tensor f, Tensor decoder, Tensor bias)
    {
        Tensor output = f.mm(decoder);
        if (config.Architecture != "matching_pursuit" || config.SubtractBDec) output += bias;
        return skip is null ? output : output + x.mm(skip.t());
    }

    private (Tensor F, Tensor? Second, Tensor Penalty) Encode()
    {
        Tensor product = Centred.mm(wEnc), pre = product + bEnc, none = zeros(1, float64);
        switch (config.Architecture)
        {
            case "topk":
                Tensor ranks = options.RankByNorm ? pre * Norms : pre;
                return (Kept(pre, ranks, (int)k), config.MultiTopK > 1 ? Kept(pre, ranks, (int)Math.Min(config.MultiTopK * k, config.DSae)) : null, none);
            case "abs_topk":
                return (pre * Mask(pre.abs(), (int)k), null, none);
            case "groupmax":
                return (Groups(pre.relu()), null, none);
            case "batch_topk" or "matryoshka_batch_topk":
                Tensor flat = (options.RankByNorm ? pre.relu() * Norms : pre.relu()).flatten();
                Tensor mask = Marked(flat, 0, flat.topk((int)(k * x.shape[0])).indexes).view(pre.shape);
                return (pre.relu() * mask, null, none);
            case "relu":
                return (pre.relu(), null, Sparsity(pre.relu()));
            case "prolu":
                Tensor gate = (product.gt(0) & pre.gt(0)).to(float64), m = product.detach(), slope = options.ProLu == ProLuGradient.Ste ? m : ones_like(m);
                Tensor f = (m * gate) + (gate * (product - m) * (options.ProLu == ProLuGradient.Ste ? 1 + m : ones_like(m))) + (gate * slope * (bEnc - bEnc.detach()));
                return (f, null, Sparsity(f));
            case "gated":
                Tensor magnitude = (product * features[1].exp()) + features[0];
                return (pre.gt(0).to(float64) * magnitude.relu(), pre.relu(), Sparsity(pre.relu()));
            case "jumprelu":
                return JumpRelu(pre);
            default:
                return (Pursuit(), null, none);
        }
    }

    private (Tensor, Tensor?, Tensor) JumpRelu(Tensor pre)
    {
        Tensor theta = options.Threshold switch { ThresholdParameter.Log => features[0].exp(), ThresholdParameter.Rectified => features[0].relu(), _ => features[0] };
        double width = options.Bandwidth;
        Tensor gate = pre.gt(theta).to(float64).detach(), pull = theta - theta.detach();
        Tensor window = ((pre - theta) / width).abs().lt(0.5).to(float64).detach();
        Tensor f = (pre * gate) - (theta.detach() / width * window * pull);
        Tensor stepWindow = options.StepOnOutput ? (((pre * gate) - theta) / width).abs().lt(0.5).to(float64).detach() : window;
        Tensor l0 = (gate - (stepWindow / width * pull)).sum(1).mean();
        Tensor penalty = options.Sparsity switch
        {
            SparsityLoss.Step => l0 * sparsity,
            SparsityLoss.TargetL0 => ((l0 / options.TargetL0) - 1).pow(2) * sparsity,
            _ => Sparsity(f),
        };
        if (options.PreActCoefficient > 0) penalty += ((theta - pre).relu() * dead.to(float64) * Norms).sum(1).mean() * options.PreActCoefficient;
        return (f, null, penalty);
    }

    private Tensor Sparsity(Tensor f)
    {
        Tensor v = options.WeightedByNorm ? f * Norms : f;
        double p = config.Sparsity.P;
        Tensor perToken = options.Sparsity switch
        {
            SparsityLoss.Tanh => (v * options.TanhScale).tanh().sum(1),
            SparsityLoss.Lp when p != 1 => Power(v, p).sum(1).pow(1 / p),
            SparsityLoss.LpPower when p != 1 => Power(v, p).sum(1),
            _ => v.sum(1),
        };
        return perToken.mean() * sparsity;
    }

    // v^p with a zero, not infinite, derivative at 0.
    private static Tensor Power(Tensor v, double p) => where(v.gt(0), where(v.gt(0), v, ones_like(v)).pow(p), zeros_like(v));

    private Tensor Pursuit()
    {
        Tensor residual = Centred, f = zeros(x.shape[0], config.DSae, float64);
        Tensor going = ones(x.shape[0], ScalarType.Bool), support = zeros_like(f).to(ScalarType.Bool);
        for (int round = 0; round < (k > 0 ? k : x.shape[1]); round++)
        {
            Tensor best = residual.mm(wDec.t()).relu().argmax(1).detach(), rows = wDec.index_select(0, best);
            Tensor value = (residual * rows).sum(1).relu() * going.to(float64);
            f = f.scatter_add(1, best.unsqueeze(1), value.unsqueeze(1));
            residual -= value.unsqueeze(1) * rows;
            Tensor now = f.detach().ne(0), same = now.eq(support).all(1);
            going = going & same.logical_not();
            support = now;
            if (config.ResidualThreshold > 0) going = going & residual.detach().norm(1).ge(config.ResidualThreshold);
        }
        return f;
    }

    // Of the dead features from one to before another.
    private Tensor Auxiliary(Tensor residual, Tensor variance, int from, int to)
    {
        Tensor features = arange(config.DSae), taking = dead & features.ge(from) & features.lt(to);
        int deadCount = (int)taking.sum().item<long>();
        if (config.AuxCoefficient == 0 || deadCount == 0 || config.Architecture is "relu" or "gated" or "jumprelu" or "prolu" or "matching_pursuit") return zeros(1, float64);
        int most = Math.Max(1, config.AuxK ?? (int)(x.shape[1] / 2)), count = Math.Min(most, deadCount);
        Tensor pre = Centred.mm(wEnc) + bEnc;
        Tensor masked = (options.RankByNorm ? pre * Norms : pre).masked_fill(taking.logical_not(), double.NegativeInfinity);
        Tensor chosen = pre * Marked(pre, 1, masked.topk(count).indexes);
        if (config.AuxRectified) chosen = chosen.relu();
        if (!config.AuxTrainsEncoder) chosen = chosen.detach();
        Tensor aux = (chosen.mm(wDec) + (config.AuxAddsBDec ? bDec : zeros_like(bDec)) - residual).pow(2).sum();
        double divisor = config.AuxNormalisation switch
        {
            ErrorNormalisation.None => x.shape[0],
            ErrorNormalisation.TotalVariance => variance.item<double>(),
            _ => (residual - residual.mean([0], keepdim: true)).pow(2).sum().item<double>(),
        };
        double scale = config.AuxScalesWithDead ? Math.Min(deadCount / (double)most, 1) : 1;
        return divisor > 0 ? aux * (config.AuxCoefficient * scale / divisor) : zeros(1, float64);
    }

    private Tensor Ghosts(Tensor residual)
    {
        if (config.GhostGradients == 0 || deadCount == 0) return zeros(1, float64);
        Tensor index = dead.nonzero().squeeze(1);
        Tensor ghost = (Centred.mm(wEnc) + bEnc).index_select(1, index).exp().mm(wDec.index_select(0, index));
        Tensor scale = (residual.norm(1, keepdim: true) / ((ghost.norm(1, keepdim: true) * 2) + 1e-6)).detach();
        Tensor square = ((ghost * scale) - residual).pow(2);
        return (square * (residual.pow(2) / (square + 1e-6)).detach()).mean() * config.GhostGradients;
    }

    private Tensor Groups(Tensor acts)
    {
        Tensor grouped = acts.view(acts.shape[0], (long)k, -1);
        return (grouped * Marked(grouped, 2, grouped.argmax(2, keepdim: true))).view(acts.shape);
    }

    private static Tensor Kept(Tensor pre, Tensor ranks, int count) => (pre * Mask(ranks, count)).relu();

    private static Tensor Mask(Tensor ranks, int count) => Marked(ranks, 1, ranks.topk(count).indexes);

    private static Tensor Marked(Tensor like, long dim, Tensor index) => zeros_like(like).detach().scatter(dim, index, ones(index.shape, float64));

    private static Tensor TensorFrom(Span<float> values, int width) => tensor(values.ToArray()).view(-1, width);

    private static Tensor Of(Tensor values) => values.to(float64);
}

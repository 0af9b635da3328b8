using Monosemantic.Dictionaries;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

/// <summary>Every architecture finds the dictionary that made the activations: 256 unit directions in 64 dimensions, four at a time.</summary>
public sealed class KnownAnswerTests(ITestOutputHelper output)
{
    private static readonly SaeTrainingConfig Common = new() { DSae = 384, K = 5, Steps = 1000, Batch = 512, Lr = 3e-3, LrWarmUpSteps = 50, DeadAfterTokens = 20_000, BatchThreshold = new() { StartStep = 100 } };

    public static TheoryData<string, double> Architectures() => new()
    {
        { "topk", 0.95 }, { "batch_topk", 0.95 }, { "matryoshka_batch_topk", 0.85 }, { "abs_topk", 0.9 }, { "groupmax", 0.7 },
        { "relu", 0.9 }, { "gated", 0.9 }, { "jumprelu", 0.9 }, { "prolu", 0.9 }, { "matching_pursuit", 0.8 },
    };

    [Theory]
    [MemberData(nameof(Architectures))]
    public void A_known_dictionary_is_recovered(string architecture, double least)
    {
        var known = new SyntheticActivations(directions: 256, width: 64, active: 4);
        using var trainer = new SaeTrainer(Settings(architecture), known.Input(512));
        TrainStep last = trainer.Run().Last();
        using SparseAutoencoder sae = trainer.Snapshot();
        using var scope = NewDisposeScope();
        Tensor x = tensor(known.Batch(5000, 512).Values).view(512, 64), rows = nn.functional.normalize(sae.WDec, dim: 1);
        double fvu = ((sae.Reconstruct(x) - x).pow(2).sum() / (x - x.mean([0], keepdim: true)).pow(2).sum()).item<float>(), l0 = sae.EncodeSparse(known.Batch(5000, 512).Values, 512).Count / 512.0;

        double mean = known.Directions.Average(direction => rows.mv(tensor(direction)).abs().max().item<float>());

        output.WriteLine($"{architecture}: mean max cosine {mean:F4}; afterwards FVU {fvu:F4}, L0 {l0:F2}; {last}");
        Assert.True(mean > least, $"mean max cosine {mean:F4}");
        // What was learned over batches holds token by token.
        Assert.True(fvu < 1.3 * last.Fvu + 0.02, $"FVU {fvu} afterwards, {last.Fvu} in training");
    }

    private static SaeTrainingConfig Settings(string architecture) => architecture switch
    {
        "relu" => Common with { Architecture = architecture, Sparsity = new() { Coefficient = 2, WarmUpSteps = 200 } },
        "gated" => Common with { Architecture = architecture, Sparsity = new() { Coefficient = 2, WarmUpSteps = 200 } },
        "prolu" => Common with { Architecture = architecture, Sparsity = new() { Coefficient = 1, WarmUpSteps = 200 } },
        "jumprelu" => Common with { Architecture = architecture, JumpRelu = new() { InitThreshold = 0.3, Bandwidth = 0.5 }, Sparsity = new() { Loss = SparsityLoss.TargetL0, TargetL0 = 5, Coefficient = 3, WarmUpSteps = 200 } },
        "groupmax" => Common with { Architecture = architecture, K = 6 },
        "matching_pursuit" => Common with { Architecture = architecture, ResidualThreshold = 0, Steps = 600 },
        _ => Common with { Architecture = architecture },
    };
}

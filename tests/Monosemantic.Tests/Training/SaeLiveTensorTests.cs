using Monosemantic.Dictionaries;
using Monosemantic.Tests.Dictionaries;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

[Collection(Alone.Name)]
public sealed class SaeLiveTensorTests
{
    [Fact]
    public void Encoding_and_training_leave_no_tensor_behind()
    {
        var data = new SyntheticActivations(directions: 32, width: 12, active: 3);
        var config = new SaeTrainingConfig { DSae = 64, K = 4, Steps = 30, Batch = 300, DeadAfterTokens = 300 };
        using var trainer = new SaeTrainer(config, data.Input(300), threads: 1);
        using SparseAutoencoder sae = SparseAutoencoderTests.Random(dModel: 12, dSae: 64, k: 4);
        using Tensor x = randn(20, 12);
        sae.Encode(x).Dispose();
        IEnumerator<TrainStep> steps = trainer.Run().GetEnumerator();
        for (int i = 0; i < 5; i++) steps.MoveNext();
        // What earlier tests left to the collector must not go while this one counts.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;

        while (steps.MoveNext()) Assert.True(steps.Current.Step > 5);
        sae.Encode(x).Dispose();
        sae.Reconstruct(x).Dispose();
        trainer.Snapshot().Dispose();

        Assert.Equal(before, Tensor.TotalCount);
    }
}

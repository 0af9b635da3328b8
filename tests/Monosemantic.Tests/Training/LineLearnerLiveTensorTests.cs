using Monosemantic.Models;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

[Collection(Alone.Name)]
public sealed class LineLearnerLiveTensorTests : IDisposable
{
    private readonly string path = Path.GetTempFileName();

    public void Dispose() => File.Delete(path);

    [Fact]
    public void Learning_and_looking_leave_no_tensor_behind()
    {
        File.WriteAllText(path, LineLearningTests.Verse(40));
        LinePairs pairs = LinePairs.Read(path, 0, 100);
        using var learner = new LineLearner(new LineLearningConfig { Text = path, DModel = 16, FeedForward = 24, Batch = 8 }, pairs);
        List<int[]> batches = LineBatches.Of(pairs, 8, 0, 1);
        learner.Advance(batches[0]);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;

        foreach (int[] batch in batches) learner.Advance(batch);
        learner.Measure(CancellationToken.None);
        Assert.Equal(7, learner.Model.NextLine("the cat").Length);
        using (Tensor tokens = learner.Model.Tokens("the cat"))
        {
            SimpleTransformerTrace trace = learner.Model.Trace(tokens);
            foreach (Tensor tensor in trace.Neurons.Append(trace.Output).Append(trace.Embedded).Append(trace.EncoderOutput)) tensor.Dispose();
        }

        Assert.Equal(before, Tensor.TotalCount);
    }
}

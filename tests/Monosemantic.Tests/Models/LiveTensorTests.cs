using Monosemantic.Models;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

[Collection(Alone.Name)]
public sealed class LiveTensorTests
{
    // What earlier tests left to the collector must not go while this one counts.
    public LiveTensorTests()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    public static TheoryData<string> Families() => [.. FamilyModel.Names];

    [Theory]
    [MemberData(nameof(Families))]
    public void A_forward_leaves_no_tensor_behind(string name)
    {
        using var family = new FamilyModel(name);
        long before = Tensor.TotalCount;

        family.Model.Forward(family.Tokens).Dispose();
        family.Model.Forward(family.Tokens, (_, value) => value).Dispose();
        foreach (HookPoint point in family.Model.HookPoints) family.Model.Run(family.Tokens, (_, value) => value, point);

        Assert.Equal(before, Tensor.TotalCount);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_model_leaves_no_tensor_behind(string name)
    {
        long before = Tensor.TotalCount;
        new FamilyModel(name).Dispose();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_block_holds_as_many_tensors_as_the_block_before(string name)
    {
        using var family = new FamilyModel(name);
        var live = new List<long>();
        HookPoint[] points = [.. Enumerable.Range(0, family.Model.Config.Layers).Select(layer => new HookPoint(HookSite.MlpPost, layer))];
        family.Model.Run(family.Tokens, (_, value) =>
        {
            live.Add(Tensor.TotalCount);
            return value;
        }, points);
        Assert.Equal(points.Length, live.Count);
        // The first block still has the embeddings beside it, the others the block before.
        Assert.All(live.Skip(1), count => Assert.True(count <= live[1], string.Join(", ", live)));
    }

    [Fact]
    public void A_thousand_batches_take_no_more_memory_than_the_first()
    {
        using var family = new FamilyModel("gemma2");
        long tensors = 0;
        for (int i = 0; i < 1000; i++)
        {
            family.Model.Forward(family.Tokens, (_, value) => value, new HookPoint(HookSite.ResidPost, 1)).Dispose();
            if (i == 0) tensors = Tensor.TotalCount;
        }
        Assert.Equal(tensors, Tensor.TotalCount);
    }
}

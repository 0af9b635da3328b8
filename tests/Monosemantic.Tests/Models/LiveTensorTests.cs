using Monosemantic.Models;
using Monosemantic.Models.Families;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

[Collection(Alone.Name)]
public sealed class LiveTensorTests
{
    [Fact]
    public void A_forward_leaves_no_tensor_behind()
    {
        TransformerConfig config = Gpt2.Shape(layers: 2, dModel: 16, heads: 4, vocabularySize: 11, positions: 8);
        Dictionary<string, Tensor> weights = Gpt2.Initialise(config, seed: 7);
        using var model = new Transformer(config, Gpt2.Assemble(config, name => weights[name]), weights, "toy", "");
        using Tensor tokens = tensor(new long[] { 3, 1, 4, 1, 5, 9, 2, 6 }).view(2, 4);
        long before = Tensor.TotalCount;

        model.Forward(tokens, (_, value) => value).Dispose();
        model.Run(tokens, (_, value) => value, HookPoint.Parse("blocks.1.mlp.hook_post"));

        Assert.Equal(before, Tensor.TotalCount);
    }
}

using Monosemantic.Dictionaries;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Monosemantic.Benchmarks;

/// <summary>A TopK training step as anyone would write it: dense tensors, autograd, libtorch's Adam, clipping, unit-norm decoder.</summary>
internal sealed class DenseAutogradStep : IDisposable
{
    private readonly int k;
    private readonly Parameter wEnc, bEnc, wDec, bDec;
    private readonly optim.Optimizer adam;

    internal DenseAutogradStep(SaeWeights weights, int k)
    {
        this.k = k;
        (wEnc, bEnc) = (new Parameter(weights.Encoder.t().contiguous()), new Parameter(weights.BEnc.clone()));
        (wDec, bDec) = (new Parameter(weights.Decoder.clone()), new Parameter(weights.BDec.clone()));
        adam = optim.Adam([wEnc, bEnc, wDec, bDec], lr: 1e-4);
    }

    internal void Run(Tensor x)
    {
        Tensor pre = (x - bDec).mm(wEnc) + bEnc;
        (Tensor values, Tensor indices) = pre.topk(k);
        Tensor f = zeros_like(pre).scatter(1, indices, values.relu());
        Tensor loss = (f.mm(wDec) + bDec - x).pow(2).sum(1).mean();
        adam.zero_grad();
        loss.backward();
        using (no_grad())
        {
            Tensor gradient = wDec.grad!;
            gradient.sub_(wDec * (gradient * wDec).sum(1, keepdim: true));
            nn.utils.clip_grad_norm_([wEnc, bEnc, wDec, bDec], 1.0);
            adam.step();
            wDec.div_(wDec.norm(1, keepdim: true));
        }
    }

    public void Dispose()
    {
        adam.Dispose();
        foreach (Parameter parameter in new[] { wEnc, bEnc, wDec, bDec }) parameter.Dispose();
    }
}

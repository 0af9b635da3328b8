using Monosemantic.Dictionaries;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// Ghost gradients (Anthropic January 2024, as in SAELens up to version 5): dead features, with exp in place of ReLU, predict
/// the residual; their output is scaled to half its length and their loss to the size of the reconstruction's. With
/// r = x - x_hat, g = exp(pre_dead) W_dec_dead and s = |r| / (1e-6 + 2 |g|), the loss is the mean over all elements of
/// e sg(mse / (e + 1e-6)), e = (s g - r)^2. Residual, s and the last factor are constants.
/// </summary>
internal sealed class GhostGradients(SaeTrainingConfig config, SaeWeights weights, SaeWeights gradients)
{
    /// <summary>Adds the gradients of dead features.</summary>
    /// <param name="centred">Centred inputs [n, d_in].</param>
    /// <param name="residual">x_hat - x [n, d_out].</param>
    /// <param name="dead">Which features are dead.</param>
    /// <param name="backward">Told which features have gradients now.</param>
    /// <returns>The loss, its coefficient included.</returns>
    internal double Add(Tensor centred, Tensor residual, bool[] dead, SparseBackward backward)
    {
        int[] features = [.. Enumerable.Range(0, config.DSae).Where(feature => dead[feature])];
        if (features.Length == 0) return 0;
        using var none = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using ProductThreads.Lease single = ProductThreads.Single();
        Tensor index = tensor(Array.ConvertAll(features, feature => (long)feature));
        Tensor encoder = weights.Encoder.index_select(0, index), decoder = weights.Decoder.index_select(0, index);
        Tensor r = -residual, exp = addmm(weights.BEnc.index_select(0, index), centred, encoder.t(), beta: 1f, alpha: 1f).exp();
        Tensor ghost = exp.mm(decoder);
        Tensor scale = r.norm(1, keepdim: true) / (1e-6 + (ghost.norm(1, keepdim: true) * 2));
        Tensor difference = (ghost * scale) - r, square = difference.pow(2), balance = r.pow(2) / (square + 1e-6);
        Tensor toGhost = difference * balance * scale * (2 * config.GhostGradients / difference.numel());
        Tensor toPre = toGhost.mm(decoder.t()) * exp, bias = toPre.sum(dim: 0);
        backward.Add(features, toPre.t().mm(centred), exp.t().mm(toGhost), bias);
        if (config.SubtractBDec) gradients.BDec.sub_(bias.unsqueeze(0).mm(encoder).squeeze(0));
        return (square * balance).mean().item<float>() * config.GhostGradients;
    }
}

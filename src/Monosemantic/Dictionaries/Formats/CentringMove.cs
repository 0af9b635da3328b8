using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// The same function with b_dec subtracted from the inputs or not: what changes, b_dec W_enc, moves into the encoder's
/// biases. Equal but for rounding.
/// </summary>
internal static class CentringMove
{
    /// <summary>Whether the move is possible.</summary>
    internal static bool Fits(SaeConfig config) => config.Architecture is "relu" or "topk" or "jumprelu" or "gated" or "groupmax" or "abs_topk" && config.Outputs == config.DModel;

    /// <summary>An autoencoder that subtracts b_dec or does not, as asked for; the same object where it already is so.</summary>
    internal static SparseAutoencoder To(SparseAutoencoder sae, bool subtract)
    {
        if (sae.Config.SubtractBDec == subtract) return sae;
        if (!Fits(sae.Config)) throw new InvalidOperationException($"b_dec of {sae.Config.Architecture} cannot be moved");
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        // In float64: biases are small differences of large sums.
        Tensor moved = sae.BDec.to(ScalarType.Float64).unsqueeze(0).mm(sae.WEnc.to(ScalarType.Float64)).squeeze(0) * (subtract ? 1 : -1);
        Dictionary<string, Tensor> tensors = new(sae.Tensors);
        if (sae.Config.Architecture == "gated")
        {
            tensors["b_gate"] = tensors["b_gate"] + moved;
            tensors["b_mag"] = tensors["b_mag"] + (moved * tensors["r_mag"].to(ScalarType.Float64).exp());
        }
        else
        {
            tensors["b_enc"] = tensors["b_enc"] + moved;
        }
        return SparseAutoencoder.FromTensors(sae.Config with { SubtractBDec = subtract }, tensors, sae.Provenance);
    }
}

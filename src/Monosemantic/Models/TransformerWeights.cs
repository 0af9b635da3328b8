using TorchSharp;

namespace Monosemantic.Models;

/// <summary>y = x W + b.</summary>
/// <param name="Weight">W [in, out]; a transposed view where the file stores [out, in].</param>
/// <param name="Bias">b [out], or null for none.</param>
public sealed record Linear(torch.Tensor Weight, torch.Tensor? Bias)
{
    /// <summary>Applies the map to the last dimension.</summary>
    /// <param name="x">[.., in].</param>
    /// <returns>[.., out].</returns>
    public torch.Tensor Apply(torch.Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        torch.Tensor rows = x.reshape(-1, x.shape[^1]);
        torch.Tensor product = Bias is null ? rows.mm(Weight) : torch.addmm(Bias, rows, Weight, 1, 1);
        return product.view([.. x.shape[..^1], Weight.shape[1]]);
    }
}

/// <summary>A layer norm's trained weight and bias.</summary>
/// <param name="Weight">[d_model].</param>
/// <param name="Bias">[d_model].</param>
public sealed record Norm(torch.Tensor Weight, torch.Tensor Bias);

/// <summary>One block's weights.</summary>
/// <param name="Norm1">Before attention.</param>
/// <param name="QueryKeyValue">[d_model, 3 * heads * d_head]: all queries, then all keys, then all values, each head by head.</param>
/// <param name="AttentionOutput">[heads * d_head, d_model].</param>
/// <param name="Norm2">Before the MLP.</param>
/// <param name="MlpIn">[d_model, d_mlp].</param>
/// <param name="MlpOut">[d_mlp, d_model].</param>
public sealed record BlockWeights(Norm Norm1, Linear QueryKeyValue, Linear AttentionOutput, Norm Norm2, Linear MlpIn, Linear MlpOut);

/// <summary>All weights of a model by their part in it.</summary>
/// <param name="Embedding">[vocabulary, d_model].</param>
/// <param name="Positions">[max positions, d_model].</param>
/// <param name="Blocks">The blocks in order.</param>
/// <param name="FinalNorm">Before the unembedding.</param>
/// <param name="Unembedding">[vocabulary, d_model]; the embedding itself where the two are tied.</param>
public sealed record TransformerWeights(torch.Tensor Embedding, torch.Tensor Positions, IReadOnlyList<BlockWeights> Blocks, Norm FinalNorm, torch.Tensor Unembedding);

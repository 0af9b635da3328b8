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

/// <summary>A norm's trained weight and bias.</summary>
/// <param name="Weight">[d_model], or [d_head] for queries and keys.</param>
/// <param name="Bias">Of the same shape, or null for none.</param>
public sealed record Norm(torch.Tensor Weight, torch.Tensor? Bias = null);

/// <summary>One block's weights.</summary>
/// <param name="Norm1">Before attention.</param>
/// <param name="QueryKeyValue">The maps to queries, keys and values.</param>
/// <param name="AttentionOutput">[heads * d_head, d_model].</param>
/// <param name="Norm2">Before the MLP.</param>
/// <param name="MlpIn">[d_model, d_mlp].</param>
/// <param name="MlpOut">[d_mlp, d_model].</param>
public sealed record BlockWeights(Norm Norm1, QueryKeyValue QueryKeyValue, Linear AttentionOutput, Norm Norm2, Linear MlpIn, Linear MlpOut)
{
    /// <summary>[d_model, d_mlp], to the activation function of a gated MLP; <see cref="MlpIn"/> then gives the factors. Null where it is not gated.</summary>
    public Linear? MlpGate { get; init; }

    /// <summary>Of each head's query, or null for none.</summary>
    public Norm? QueryNorm { get; init; }

    /// <summary>Of each head's key, or null for none.</summary>
    public Norm? KeyNorm { get; init; }

    /// <summary>After attention, before it is added; null for none.</summary>
    public Norm? PostNorm1 { get; init; }

    /// <summary>After the MLP, before it is added; null for none.</summary>
    public Norm? PostNorm2 { get; init; }

    internal IEnumerable<torch.Tensor?> Tensors()
    {
        Norm?[] norms = [Norm1, Norm2, QueryNorm, KeyNorm, PostNorm1, PostNorm2];
        Linear?[] maps = [.. QueryKeyValue.Maps, AttentionOutput, MlpIn, MlpGate, MlpOut];
        return norms.SelectMany(norm => new[] { norm?.Weight, norm?.Bias }).Concat(maps.SelectMany(map => new[] { map?.Weight, map?.Bias }));
    }
}

/// <summary>All weights of a model by their part in it.</summary>
/// <param name="Embedding">[vocabulary, d_model].</param>
/// <param name="Positions">[max positions, d_model]; null where positions are not learned.</param>
/// <param name="Blocks">The blocks in order.</param>
/// <param name="FinalNorm">Before the unembedding.</param>
/// <param name="Unembedding">[vocabulary, d_model]; the embedding itself where the two are tied.</param>
/// <param name="UnembeddingBias">[vocabulary], or null for none.</param>
public sealed record TransformerWeights(
    torch.Tensor Embedding,
    torch.Tensor? Positions,
    IReadOnlyList<BlockWeights> Blocks,
    Norm FinalNorm,
    torch.Tensor Unembedding,
    torch.Tensor? UnembeddingBias = null)
{
    /// <summary>Every tensor once, views of stored ones too.</summary>
    internal IEnumerable<torch.Tensor> Tensors()
    {
        IEnumerable<torch.Tensor?> outer = [Embedding, Positions, FinalNorm.Weight, FinalNorm.Bias, Unembedding, UnembeddingBias];
        return outer.Concat(Blocks.SelectMany(block => block.Tensors())).OfType<torch.Tensor>().Distinct(ReferenceEqualityComparer.Instance).Cast<torch.Tensor>();
    }
}

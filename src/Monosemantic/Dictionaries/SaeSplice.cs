using Monosemantic.Models;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries;

/// <summary>
/// An autoencoder spliced into a model at its hook point: <c>model.Forward(tokens, new SaeSplice(sae).Hook, ...)</c>. The
/// model goes on from the reconstruction, or, with the error term, from its own activation plus what an edit of the features
/// changes, so that a forward pass without an edit stays what it was to the last bit.
/// </summary>
/// <param name="sae">The autoencoder; it must reconstruct what it reads.</param>
/// <param name="errorTerm">Whether what the autoencoder cannot reconstruct is kept; default true.</param>
/// <param name="edit">Changes dense feature activations [n, d_sae] and returns what they are to be; null for none.</param>
public sealed class SaeSplice(SparseAutoencoder sae, bool errorTerm = true, Func<Tensor, Tensor>? edit = null)
{
    /// <summary>The hook.</summary>
    /// <param name="at">Where it is called.</param>
    /// <param name="value">Activation [.., d_model], or [.., heads, d_head] of the same size.</param>
    /// <returns>What the model goes on with, in the same shape.</returns>
    /// <exception cref="UserErrorException">The activation is not as wide as the autoencoder.</exception>
    public Tensor Hook(HookPoint at, Tensor value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (sae.Config.Outputs != sae.Config.DModel || sae.Config.Sites > 1) throw new UserErrorException("a transcoder or crosscoder cannot be spliced in at one hook point", "splice in an autoencoder");
        if (value.shape[^1] != sae.Config.DModel && value.shape[^1] * value.shape[^2] != sae.Config.DModel) throw new UserErrorException($"the activation at {at} is [{string.Join(", ", value.shape)}]; the autoencoder reads {sae.Config.DModel}", "splice it in at the hook point that it was trained on");
        if (errorTerm && edit is null) return value;
        if (edit is not null && sae.Config.InputNormalisation != InputNormalisation.None) throw new UserErrorException("features of an autoencoder with an input normalisation cannot be edited in place", "splice it in without an edit");
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = value.reshape(-1, sae.Config.DModel);
        if (edit is null) return sae.Reconstruct(rows).view_as(value).MoveToOuterDisposeScope();
        Tensor f = sae.Encode(rows), edited = edit(f.clone());
        // Only the difference is decoded: where nothing was edited nothing is added, not even a rounding error.
        Tensor result = errorTerm ? rows + (edited - f).mm(sae.WDec) : sae.Reconstruct(rows) + (edited - f).mm(sae.WDec);
        return result.view_as(value).MoveToOuterDisposeScope();
    }
}

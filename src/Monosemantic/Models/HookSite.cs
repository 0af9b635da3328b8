using TorchSharp;

namespace Monosemantic.Models;

/// <summary>Called at a hook point with the value there; what it returns is what the model goes on with.</summary>
/// <param name="at">Where in the model.</param>
/// <param name="value">The value there, such as [batch, position, d_model]; return it unchanged to only read it. To keep it beyond the call, clone it or detach it from its dispose scope.</param>
/// <returns>The value to go on with, of the same shape.</returns>
public delegate torch.Tensor Hook(HookPoint at, torch.Tensor value);

/// <summary>The places in a model at which a value can be read or replaced.</summary>
public enum HookSite
{
    /// <summary>Token embeddings [b, t, d_model].</summary>
    Embed,

    /// <summary>Position embeddings [b, t, d_model]; only in models with learned positions.</summary>
    PosEmbed,

    /// <summary>Residual stream at the start of a block [b, t, d_model].</summary>
    ResidPre,

    /// <summary>Divisor of the norm before attention [b, t, 1].</summary>
    Ln1Scale,

    /// <summary>Normalised input of attention, before the norm's weight and bias [b, t, d_model].</summary>
    Ln1Normalized,

    /// <summary>Queries before any norm or rotation [b, t, head, d_head].</summary>
    AttnQ,

    /// <summary>Keys before any norm or rotation [b, t, key_value_head, d_head]; with grouped queries fewer heads than queries.</summary>
    AttnK,

    /// <summary>Values [b, t, key_value_head, d_head]; with grouped queries fewer heads than queries.</summary>
    AttnV,

    /// <summary>Queries after norm and rotation [b, t, head, d_head]; only in models with rotary positions.</summary>
    AttnRotQ,

    /// <summary>Keys after norm and rotation [b, t, key_value_head, d_head]; only in models with rotary positions.</summary>
    AttnRotK,

    /// <summary>Attention scores after scaling, soft cap and mask [b, head, t, t]; -infinity where a position is not seen.</summary>
    AttnScores,

    /// <summary>Attention pattern: softmax of the scores [b, head, t, t].</summary>
    AttnPattern,

    /// <summary>Attention-weighted values per head, before the output matrix [b, t, head, d_head]: always one for each query head.</summary>
    AttnZ,

    /// <summary>Divisor of the norm after attention [b, t, 1]; only in models with norms there.</summary>
    Ln1PostScale,

    /// <summary>Normalised output of attention, before the norm's weight [b, t, d_model]; only in models with norms there.</summary>
    Ln1PostNormalized,

    /// <summary>What attention adds to the residual stream [b, t, d_model].</summary>
    AttnOut,

    /// <summary>Residual stream between attention and MLP [b, t, d_model]; not in models whose MLP reads the block's input.</summary>
    ResidMid,

    /// <summary>Divisor of the norm before the MLP [b, t, 1].</summary>
    Ln2Scale,

    /// <summary>Normalised input of the MLP, before the norm's weight and bias [b, t, d_model].</summary>
    Ln2Normalized,

    /// <summary>MLP neurons before the activation function [b, t, d_mlp]; the gate's product where the MLP is gated.</summary>
    MlpPre,

    /// <summary>What multiplies the activated gate [b, t, d_mlp]; only in gated MLPs.</summary>
    MlpPreLinear,

    /// <summary>MLP neurons after the activation function and the gate [b, t, d_mlp].</summary>
    MlpPost,

    /// <summary>Divisor of the norm after the MLP [b, t, 1]; only in models with norms there.</summary>
    Ln2PostScale,

    /// <summary>Normalised output of the MLP, before the norm's weight [b, t, d_model]; only in models with norms there.</summary>
    Ln2PostNormalized,

    /// <summary>What the MLP adds to the residual stream [b, t, d_model].</summary>
    MlpOut,

    /// <summary>Residual stream at the end of a block [b, t, d_model].</summary>
    ResidPost,

    /// <summary>Divisor of the final norm [b, t, 1].</summary>
    LnFinalScale,

    /// <summary>Normalised final residual stream, before the norm's weight and bias [b, t, d_model].</summary>
    LnFinalNormalized,
}

using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries;

/// <summary>What is done to each input before it is encoded, and undone after decoding.</summary>
public enum InputNormalisation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Its mean is taken off and it is divided by its standard deviation (n - 1) + 1e-5. Source: SAELens layer_norm, OpenAI.</summary>
    LayerNorm,

    /// <summary>It is scaled to length sqrt(d). Source: SAELens constant_norm_rescale.</summary>
    ConstantNorm,
}

/// <summary>
/// What a sparse autoencoder computes, apart from its weights: f from x by its architecture, and
/// x_hat = f W_dec + b_dec (+ W_skip x). Where inputs and outputs are of different sites it is a transcoder; where an input
/// is the activations of several sites side by side, a crosscoder.
/// </summary>
public sealed record SaeConfig
{
    /// <summary>Architecture, one of <c>list architectures</c>; default <c>topk</c>.</summary>
    public string Architecture { get; init; } = "topk";

    /// <summary>Width of the inputs, d_model.</summary>
    public required int DModel { get; init; }

    /// <summary>Width of the outputs; default null: that of the inputs.</summary>
    public int? DOut { get; init; }

    /// <summary>Number of features, d_sae.</summary>
    public required int DSae { get; init; }

    /// <summary>Most features that fire for one token, 1 to d_sae, where the architecture has such a number; 0 otherwise.</summary>
    public int K { get; init; }

    /// <summary>Whether b_dec is subtracted from x before encoding; default true. It is added after decoding either way.</summary>
    public bool SubtractBDec { get; init; } = true;

    /// <summary>Whether W_skip x is added to the output; default false.</summary>
    public bool SkipConnection { get; init; }

    /// <summary>Sites whose activations stand side by side in a row, each d_model / sites wide; default 1, more for a crosscoder.</summary>
    public int Sites { get; init; } = 1;

    /// <summary>What is done to each input, and undone after decoding; default none.</summary>
    public InputNormalisation InputNormalisation { get; init; } = InputNormalisation.None;

    /// <summary>Residual length at which matching pursuit ends; default 0.01.</summary>
    public double ResidualThreshold { get; init; } = 0.01;

    /// <summary>Hook point whose activations are read (and reconstructed), such as <c>blocks.2.hook_resid_post</c>; empty where unknown.</summary>
    public string HookPoint { get; init; } = "";

    /// <summary>Hook point whose activations are predicted, for a transcoder; null for the one that is read.</summary>
    public string? HookPointOut { get; init; }

    /// <summary>Width of the outputs.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public int Outputs => DOut ?? DModel;

    /// <summary>Everything that is wrong with the values, one line each; empty where all is well.</summary>
    public ImmutableArray<string> Problems()
    {
        SaeArchitecture? architecture = SaeArchitecture.TryFind(Architecture);
        return
        [
            .. new (bool Wrong, string Problem)[]
            {
                (architecture is null, $"architecture is \"{Architecture}\"; it must be one of {SaeArchitecture.Names}"),
                (DModel < 1, $"d_model is {DModel}; it must be at least 1"),
                (DOut < 1, $"d_out is {DOut}; it must be at least 1"),
                (DSae < 1, $"d_sae is {DSae}; it must be at least 1"),
                (architecture is null or { UsesK: true } && (K < 1 || K > DSae), $"k is {K}; it must be 1..{Math.Max(DSae, 1)} (d_sae)"),
                (Sites < 1 || DModel % Math.Max(Sites, 1) != 0, $"sites is {Sites}; it must be at least 1 and divide d_model ({DModel})"),
                (SubtractBDec && Outputs != DModel, $"subtract_b_dec is true, but outputs ({Outputs}) are not as wide as inputs ({DModel}); it must be false"),
                (InputNormalisation != InputNormalisation.None && Outputs != DModel, $"input_normalisation is {InputNormalisation}, but outputs ({Outputs}) are not as wide as inputs ({DModel}); it must be none"),
                (architecture is { IsTied: true } && (SkipConnection || Outputs != DModel), $"{Architecture} decodes with its encoder; it can be no transcoder"),
            }.Where(check => check.Wrong).Select(check => check.Problem),
            .. architecture?.Problems(this) ?? [],
        ];
    }

    /// <summary>Throws if anything is wrong, naming all of it at once.</summary>
    /// <param name="source">Where the values come from, usually a path.</param>
    /// <exception cref="UserErrorException">At least one value is not allowed.</exception>
    public void Check(string source)
    {
        ImmutableArray<string> problems = Problems();
        if (problems.Length > 0) throw new UserErrorException($"{source}: {string.Join("; ", problems)}", "correct the values it names");
    }
}

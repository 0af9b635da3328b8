using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries;

/// <summary>
/// What a sparse autoencoder computes, apart from its weights. For <c>topk</c>:
/// f = ReLU(topk_k((x - b_dec) W_enc + b_enc)) and x_hat = f W_dec + b_dec.
/// </summary>
public sealed record SaeConfig
{
    /// <summary>The architectures there are, as spelt in files.</summary>
    public static ImmutableArray<string> Architectures { get; } = ["topk"];

    /// <summary>Architecture, one of <see cref="Architectures"/>; default <c>topk</c>.</summary>
    public string Architecture { get; init; } = "topk";

    /// <summary>Width of the activations, d_model.</summary>
    public required int DModel { get; init; }

    /// <summary>Number of features, d_sae.</summary>
    public required int DSae { get; init; }

    /// <summary>Most features that fire for one token, 1 to d_sae.</summary>
    public required int K { get; init; }

    /// <summary>Whether b_dec is subtracted from x before encoding; default true. It is added after decoding either way.</summary>
    public bool SubtractBDec { get; init; } = true;

    /// <summary>Hook point whose activations are read and reconstructed, such as <c>blocks.2.hook_resid_post</c>; empty where unknown.</summary>
    public string HookPoint { get; init; } = "";

    /// <summary>Everything that is wrong with the values, one line each; empty where all is well.</summary>
    public ImmutableArray<string> Problems()
    {
        ImmutableArray<string>.Builder problems = ImmutableArray.CreateBuilder<string>();
        if (!Architectures.Contains(Architecture)) problems.Add($"architecture is \"{Architecture}\"; it must be one of {string.Join(", ", Architectures)}");
        if (DModel < 1) problems.Add($"d_model is {DModel}; it must be at least 1");
        if (DSae < 1) problems.Add($"d_sae is {DSae}; it must be at least 1");
        if (K < 1 || K > DSae) problems.Add($"k is {K}; it must be 1..{Math.Max(DSae, 1)} (d_sae)");
        return problems.ToImmutable();
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

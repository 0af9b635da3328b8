
namespace Monosemantic.Models;

/// <summary>A hook point and the shape of its values.</summary>
/// <param name="Name">Its name in the spelling of TransformerLens.</param>
/// <param name="Shape">Its dimensions: b sequences, t tokens, numbers.</param>
public sealed record HookPointInfo(string Name, string Shape);

/// <summary>Bytes that a model takes in float32.</summary>
/// <param name="Weights">Its weights.</param>
/// <param name="CachePerToken">Keys and values of one token, while generating.</param>
/// <param name="ForwardPerToken">The most that one token of a batch takes in a pass without hooks: its logits, or two layers' widest values.</param>
public sealed record ModelMemory(long Weights, long CachePerToken, long ForwardPerToken);

/// <summary>What a model is: family, sizes, hook points and memory.</summary>
/// <param name="Name">Its folder's name.</param>
/// <param name="Sha256">SHA-256 of its weights.</param>
/// <param name="Parameters">Number of weights; tied ones count once.</param>
/// <param name="Config">Its shape.</param>
/// <param name="Memory">What it takes.</param>
/// <param name="HookPoints">Every place that can be read or replaced, in forward order.</param>
/// <param name="Warnings">What is odd about its files.</param>
public sealed record ModelInfo(
    string Name, string Sha256, long Parameters, TransformerConfig Config, ModelMemory Memory, IReadOnlyList<HookPointInfo> HookPoints, IReadOnlyList<string> Warnings)
{
    /// <summary>Describes a loaded model.</summary>
    /// <param name="model">The model.</param>
    public static ModelInfo Of(Transformer model)
    {
        ArgumentNullException.ThrowIfNull(model);
        TransformerConfig config = model.Config;
        long parameters = model.Named.Values.Sum(tensor => tensor.numel());
        long cache = 2L * config.Layers * config.KeyValueHeads * config.DHead * sizeof(float);
        long widest = (4L * config.DModel) + ((config.GatedMlp ? 3L : 2L) * config.DMlp) + ((config.Heads + (2L * config.KeyValueHeads)) * config.DHead);
        long forward = sizeof(float) * Math.Max(widest, config.DModel + (long)config.VocabularySize);
        return new(
            model.Name, model.Sha256, parameters, config, new(parameters * sizeof(float), cache, forward),
            [.. model.HookPoints.Select(point => new HookPointInfo(point.ToString(), Shape(config, point.Site)))], model.Warnings);
    }

    private static string Shape(TransformerConfig config, HookSite site) => site switch
    {
        HookSite.MlpPre or HookSite.MlpPreLinear or HookSite.MlpPost => $"[b, t, {config.DMlp}]",
        HookSite.AttnQ or HookSite.AttnRotQ or HookSite.AttnZ => $"[b, t, {config.Heads}, {config.DHead}]",
        HookSite.AttnK or HookSite.AttnRotK or HookSite.AttnV => $"[b, t, {config.KeyValueHeads}, {config.DHead}]",
        HookSite.Ln1Scale or HookSite.Ln2Scale or HookSite.Ln1PostScale or HookSite.Ln2PostScale or HookSite.LnFinalScale => "[b, t, 1]",
        HookSite.AttnScores or HookSite.AttnPattern => $"[b, {config.Heads}, t, t]",
        _ => $"[b, t, {config.DModel}]",
    };
}

using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>What all blocks share in one pass over some tokens: the shape, the hook, and where the tokens stand.</summary>
internal sealed class ForwardPass
{
    private readonly Dictionary<RotaryConfig, RotaryTurn> turns = [];

    /// <summary>Makes the tables of positions, in the current dispose scope.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="taps">The hook.</param>
    /// <param name="offset">Position of the first token; more than 0 where earlier ones were seen in an earlier pass.</param>
    /// <param name="length">Tokens in this pass.</param>
    internal ForwardPass(TransformerConfig config, HookTaps taps, long offset, long length)
    {
        Config = config;
        Taps = taps;
        Offset = offset;
        Length = length;
        foreach (RotaryConfig rotary in config.Attention.Select(block => block.Rotary).OfType<RotaryConfig>().Distinct()) turns.Add(rotary, new(rotary, offset, length));
    }

    internal TransformerConfig Config { get; }

    internal HookTaps Taps { get; }

    /// <summary>Position of the first token.</summary>
    internal long Offset { get; }

    /// <summary>Tokens in this pass.</summary>
    internal long Length { get; }

    /// <summary>Keys and values of earlier passes; null where this pass is the only one.</summary>
    internal KeyValueCache? Cache { get; init; }

    /// <summary>Whether nothing is wanted of the tokens but that the cache takes them in: the last block then ends with its keys and values.</summary>
    internal bool OnlySeen { get; init; }

    /// <summary>Whether the pass ends once a block's keys and values are in the cache.</summary>
    internal bool EndsWithKeys(int layer) => OnlySeen && layer == Config.Layers - 1;

    /// <summary>The rotation of a block's queries and keys, or null where it has none.</summary>
    internal RotaryTurn? Turn(int layer) => Config.Attention[layer].Rotary is { } rotary ? turns[rotary] : null;

    /// <summary>Offers a value of a block to the hook and returns the one to go on with.</summary>
    internal Tensor At(HookSite site, int layer, Tensor value) => Taps.At(new(site, layer), value);

    /// <summary>Whether the hook wants a value of a block.</summary>
    internal bool Wants(HookSite site, int layer) => Taps.Wants(new(site, layer));
}

using Monosemantic.Dictionaries;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Features;

/// <summary>Units that can be taken away from a model's pass: where they are read, where they add to it, and what each adds there.</summary>
internal abstract class AblatedUnits
{
    /// <summary>The hook point that their activations are computed from.</summary>
    internal required HookPoint Reads { get; init; }

    /// <summary>The hook point that they add to.</summary>
    internal required HookPoint Writes { get; init; }

    /// <summary>Width of the former.</summary>
    internal abstract int Width { get; }

    /// <summary>The activation of each row's own unit [n]; 0 where it does not fire.</summary>
    /// <param name="x">Activations of the hook point [n, width].</param>
    /// <param name="units">The unit of each row [n].</param>
    internal float[] Activations(Tensor x, int[] units)
    {
        using Tensor local = x.contiguous();
        SparseCode code = Encode(TensorMemory.Floats(local), units.Length);
        return [.. units.Select((unit, row) => code.FeaturesOf(row).BinarySearch(unit) is var place && place >= 0 ? code.ValuesOf(row)[place] : 0)];
    }

    /// <summary>What each row's own unit adds [n, width of <see cref="Writes"/>].</summary>
    /// <param name="x">Activations of the hook point [n, width].</param>
    /// <param name="units">The unit of each row [n].</param>
    /// <param name="activations">The unit's activation there [n].</param>
    internal abstract Tensor Contributions(Tensor x, int[] units, float[] activations);

    /// <summary>The units' code of some activations [n, width].</summary>
    protected abstract SparseCode Encode(ReadOnlySpan<float> x, int rows);
}

/// <summary>A dictionary's features: feature j adds f_j W_dec_j, in the size of the activations where the dictionary normalises them.</summary>
internal sealed class AblatedFeatures(SparseAutoencoder sae) : AblatedUnits
{
    internal override int Width => sae.Config.DModel;

    internal override Tensor Contributions(Tensor x, int[] units, float[] activations)
    {
        using var scope = NewDisposeScope();
        float[] amounts = [.. activations];
        if (InputScaler.Apply(sae.Config.InputNormalisation, TensorMemory.Floats(x.clone().contiguous()), Width) is { } undo)
        {
            for (int row = 0; row < amounts.Length; row++) amounts[row] *= undo[row].Scale;
        }
        Tensor directions = sae.WDec.index_select(0, tensor(units.Select(unit => (long)unit).ToArray()));
        return (directions * tensor(amounts).unsqueeze(1)).MoveToOuterDisposeScope();
    }

    protected override SparseCode Encode(ReadOnlySpan<float> x, int rows) => sae.EncodeSparse(x, rows);
}

/// <summary>Raw neurons: without it a dimension is at its mean and a neuron of an MLP at 0, where they were above.</summary>
internal sealed class AblatedNeurons(NeuronBasis neurons) : AblatedUnits
{
    internal override int Width => neurons.Width;

    internal override Tensor Contributions(Tensor x, int[] units, float[] activations)
    {
        float[] added = new float[units.Length * Width];
        for (int row = 0; row < units.Length; row++) added[(row * Width) + units[row]] = activations[row] * neurons.UnitOf(units[row]);
        return TensorMemory.FromFloats(added, units.Length, Width);
    }

    protected override SparseCode Encode(ReadOnlySpan<float> x, int rows) => neurons.Encode(x, rows);
}

using System.Collections.Immutable;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// circuit-tracer's cross-layer transcoder: <c>W_enc_i.safetensors</c> and <c>W_dec_i.safetensors</c> for each of L layers. It
/// becomes one over L sites side by side, whose encoder has a block for each layer and whose decoder writes into that layer
/// and those after it. Most of these matrices is zero, so only a small one is read.
/// </summary>
internal sealed class CrossLayerTranscoderFormat : SaeFormat
{
    private const long MostElements = 1L << 29;

    /// <inheritdoc/>
    public override string Name => "circuit_tracer_clt";

    /// <inheritdoc/>
    public override string Summary => "circuit-tracer: cross-layer transcoders, as one over all sites; small ones only";

    /// <inheritdoc/>
    public override string Layout => "W_enc_0.safetensors + W_dec_0.safetensors, ...";

    /// <inheritdoc/>
    internal override bool Recognises(SaeFiles files) => files.Has("W_enc_0.safetensors") && files.Has("W_dec_0.safetensors");

    /// <inheritdoc/>
    internal override ImmutableArray<string> Parts(SaeFiles files) => [.. Enumerable.Range(0, Layers(files)).SelectMany(layer => new[] { $"W_enc_{layer}.safetensors", $"W_dec_{layer}.safetensors" })];

    /// <inheritdoc/>
    internal override SaeImport Read(SaeFiles files)
    {
        int layers = Layers(files);
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (long f, long d) = SizeOf(files);
        if (d * f * layers * layers > MostElements || layers == 0) throw new UserErrorException($"{files.Folder} is a cross-layer transcoder of {layers} layers, {d} wide with {f} features each: as one matrix it would have {d * f * layers * layers:N0} elements; at most {MostElements:N0} are read", "such dictionaries need a sparse layout that this version does not have");
        CheckShapes(files, layers, f, d);
        Tensor wEnc = zeros(layers * d, layers * f), wDec = zeros(layers * f, layers * d), bEnc = zeros(layers * f), bDec = zeros(layers * d), threshold = zeros(layers * f);
        int jumps = 0;
        for (int layer = 0; layer < layers; layer++)
        {
            using SafetensorsFile encoder = SafetensorsFile.Open(files.Of($"W_enc_{layer}.safetensors")), decoder = SafetensorsFile.Open(files.Of($"W_dec_{layer}.safetensors"));
            ForeignTensors enc = new(encoder), dec = new(decoder);
            wEnc.narrow(0, layer * d, d).narrow(1, layer * f, f).copy_(enc.Take($"W_enc_{layer}", f, d).t());
            bEnc.narrow(0, layer * f, f).copy_(enc.Take($"b_enc_{layer}", f));
            bDec.narrow(0, layer * d, d).copy_(enc.Take($"b_dec_{layer}", d));
            if (enc.Has($"threshold_{layer}"))
            {
                threshold.narrow(0, layer * f, f).copy_(enc.Take($"threshold_{layer}", f));
                jumps++;
            }
            wDec.narrow(0, layer * f, f).narrow(1, layer * d, (layers - layer) * d).copy_(dec.Take($"W_dec_{layer}", f, layers - layer, d).reshape(f, (layers - layer) * d));
            enc.End(Name);
            dec.End(Name);
        }
        if (jumps > 0 && jumps < layers) throw new UserErrorException($"{files.Folder}: {jumps} of {layers} layers have thresholds; all or none must", "download the whole folder again");
        Dictionary<string, Tensor> tensors = new() { ["W_enc"] = wEnc, ["b_enc"] = bEnc, ["W_dec"] = wDec, ["b_dec"] = bDec };
        if (jumps > 0) tensors["threshold"] = threshold;
        SaeConfig config = new() { Architecture = jumps > 0 ? "jumprelu" : "relu", DModel = (int)(layers * d), DSae = (int)(layers * f), Sites = layers, SubtractBDec = false };
        string[] notes = [$"a row holds the activations of {layers} layers side by side; feature i of layer l is feature l x {f} + i"];
        return SaeImport.Of(this, files.Folder, config, tensors, new SaeOrigin { Format = Name }, notes);
    }

    // Before anything is allocated for them: what the first file has may not stand for files that are not so.
    private static void CheckShapes(SaeFiles files, int layers, long f, long d)
    {
        for (int layer = 0; layer < layers; layer++)
        {
            foreach ((string part, long[] shape) in new[] { ("enc", new[] { f, d }), ("dec", [f, layers - layer, d]) })
            {
                using SafetensorsFile file = SafetensorsFile.Open(files.Of($"W_{part}_{layer}.safetensors"));
                long[] found = new ForeignTensors(file).Shape($"W_{part}_{layer}") ?? [];
                if (!found.SequenceEqual(shape)) throw new UserErrorException($"{file.Path}: W_{part}_{layer} is {Printable.Of(found)}; it must be {Printable.Of(shape)} by the first layer and the number of files", "the files do not belong together; download or copy the whole folder again");
            }
        }
    }

    private static int Layers(SaeFiles files)
    {
        int layers = 0;
        while (files.Has($"W_enc_{layers}.safetensors") && files.Has($"W_dec_{layers}.safetensors")) layers++;
        return layers;
    }

    private static (long F, long D) SizeOf(SaeFiles files)
    {
        using SafetensorsFile file = SafetensorsFile.Open(files.Of("W_enc_0.safetensors"));
        return new ForeignTensors(file).Shape("W_enc_0") is [var f, var d] && f < int.MaxValue && d < int.MaxValue ? (f, d) : throw new UserErrorException($"{file.Path} has no matrix W_enc_0", "check that it is the right file");
    }
}

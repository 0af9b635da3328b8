using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// Gemma Scope: <c>params.npz</c>, JumpReLU, b_dec not subtracted from the inputs, nothing to normalise. The file says
/// nothing of where it belongs; the folders that it lies in do, where they are named as in the release.
/// </summary>
internal sealed class GemmaScopeFormat : SaeFormat
{
    private const string WeightsName = "params.npz";

    /// <inheritdoc/>
    public override string Name => "gemma_scope";

    /// <inheritdoc/>
    public override string Summary => "Gemma Scope: JumpReLU autoencoders and transcoders of Gemma 2";

    /// <inheritdoc/>
    public override string Layout => WeightsName;

    /// <inheritdoc/>
    internal override bool Recognises(SaeFiles files) => files.Has(WeightsName);

    /// <inheritdoc/>
    internal override ImmutableArray<string> Parts(SaeFiles files) => [WeightsName];

    /// <inheritdoc/>
    internal override SaeImport Read(SaeFiles files)
    {
        using NpzFile file = NpzFile.Open(files.Of(WeightsName));
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        var weights = new ForeignTensors(file);
        string w = weights.Has("w_enc") ? "w" : "W";
        if (weights.Shape($"{w}_enc") is not [var d, var f]) throw new UserErrorException($"{file.Path} has no matrix W_enc", "check that it is the right file");
        long outputs = weights.Shape($"{w}_dec") is [_, var width] ? width : d;
        Dictionary<string, Tensor> tensors = new() { ["W_enc"] = weights.Take($"{w}_enc", d, f), ["W_dec"] = weights.Take($"{w}_dec", f, outputs) };
        foreach (string name in new[] { "b_enc", "threshold" }) tensors[name] = weights.Take(name, f);
        tensors["b_dec"] = weights.Take("b_dec", outputs);
        weights.End(Name);
        var notes = new List<string>();
        SaeConfig config = new() { Architecture = "jumprelu", DModel = (int)d, DOut = outputs == d ? null : (int)outputs, DSae = (int)f, SubtractBDec = false };
        SaeOrigin origin = new() { Format = Name, Dtype = weights.CommonDtype };
        string path = Path.GetFullPath(files.Folder).Replace('\\', '/');
        if (path.Contains("/embedding/", StringComparison.Ordinal)) Embedding(tensors, d, notes);
        return SaeImport.Of(this, files.Of(WeightsName), config, tensors, origin, notes);
    }

    // The release's embedding autoencoders were trained on embeddings of another scale; SAELens loads them so.
    private static void Embedding(Dictionary<string, Tensor> tensors, long d, List<string> notes)
    {
        tensors["W_enc"] = tensors["W_enc"] / Math.Sqrt(d);
        tensors["W_dec"] = tensors["W_dec"] * Math.Sqrt(d);
        notes.Add("of the embedding: W_enc is divided and W_dec multiplied by sqrt(d), as SAELens does");
    }
}

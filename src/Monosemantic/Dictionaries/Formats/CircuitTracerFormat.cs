using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// circuit-tracer's transcoder of one layer: <c>layer_N.safetensors</c>, whose W_enc lies the other way round than
/// SAELens'. The repository's <c>config.yaml</c> beside it, if it is there, names hook points, activation and k.
/// </summary>
internal sealed partial class CircuitTracerFormat : SaeFormat
{
    private const string SettingsName = "config.yaml";

    /// <inheritdoc/>
    public override string Name => "circuit_tracer";

    /// <inheritdoc/>
    public override string Summary => "circuit-tracer: (skip) transcoders of one layer, relu, jumprelu and topk";

    /// <inheritdoc/>
    public override string Layout => "a file layer_N.safetensors (with config.yaml)";

    /// <inheritdoc/>
    internal override bool Recognises(SaeFiles files)
    {
        if (files.Single is not { } name || !name.EndsWith(".safetensors", StringComparison.Ordinal)) return false;
        using SafetensorsFile file = SafetensorsFile.Open(files.Of(name));
        var weights = new ForeignTensors(file);
        return weights.Shape("W_enc") is [var f, _] && weights.Shape("W_dec") is [var g, _] && f == g && weights.Shape("b_enc") is [var h] && h == f;
    }

    /// <inheritdoc/>
    internal override ImmutableArray<string> Parts(SaeFiles files) => [files.Single!, .. File.Exists(Path.Combine(files.Folder, SettingsName)) ? [SettingsName] : Array.Empty<string>()];

    /// <inheritdoc/>
    internal override SaeImport Read(SaeFiles files)
    {
        if (files.Single is not { } name) throw new UserErrorException($"{files.Path} is a folder; in this format every layer is a file of its own", "name the file, such as layer_5.safetensors");
        using SafetensorsFile file = SafetensorsFile.Open(files.Of(name));
        using var gradients = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, string> settings = Settings(files);
        var weights = new ForeignTensors(file);
        if (weights.Shape("W_enc") is not [var f, var d] || weights.Shape("W_dec") is not [_, var o]) throw new UserErrorException($"{file.Path} has no matrices W_enc and W_dec", "check that it is the right file");
        Dictionary<string, Tensor> tensors = new() { ["W_enc"] = weights.Take("W_enc", f, d).t(), ["W_dec"] = weights.Take("W_dec", f, o), ["b_enc"] = weights.Take("b_enc", f), ["b_dec"] = weights.Take("b_dec", o) };
        string activation = settings.GetValueOrDefault("activation", "relu");
        long k = weights.Integer("k") ?? (int.TryParse(settings.GetValueOrDefault("k"), out int stated) ? stated : 0);
        if (k > 0) activation = "topk";
        if (weights.Has("activation_function.threshold"))
        {
            activation = "jumprelu";
            tensors["threshold"] = weights.Take("activation_function.threshold", f);
        }
        if (activation is not ("relu" or "topk" or "jumprelu") || (activation == "jumprelu" && !tensors.ContainsKey("threshold"))) throw new UserErrorException($"{Path.Combine(files.Folder, SettingsName)}: the activation is {Printable.Of(activation)}, which these weights do not fit; known are relu, topk and jumprelu", "download the whole repository again");
        if (weights.Has("W_skip")) tensors["W_skip"] = weights.Take("W_skip", o, d);
        weights.End(Name);
        string block = Layer().Match(name) is { Success: true } layer ? $"blocks.{layer.Groups[1].Value}." : "";
        string Hook(string key) => block.Length > 0 && settings.TryGetValue(key, out string? hook) ? block + hook : "";
        SaeConfig config = new()
        {
            Architecture = activation,
            DModel = (int)d,
            DOut = o == d ? null : (int)o,
            DSae = (int)f,
            K = activation == "topk" ? (int)Math.Min(k, int.MaxValue) : 0,
            SubtractBDec = false,
            SkipConnection = tensors.ContainsKey("W_skip"),
            HookPoint = Hook("feature_input_hook"),
            HookPointOut = Hook("feature_output_hook") is { Length: > 0 } output ? output : null,
        };
        return SaeImport.Of(this, file.Path, config, tensors, new SaeOrigin { Format = Name, Dtype = weights.CommonDtype, Model = settings.GetValueOrDefault("model_name") });
    }

    /// <summary>The plain lines "key: value" of config.yaml; lists in it are of other files, which are not followed.</summary>
    internal static Dictionary<string, string> Settings(SaeFiles files)
    {
        string path = Path.Combine(files.Folder, SettingsName);
        if (!File.Exists(path)) return [];
        files.Of(SettingsName);
        if (new FileInfo(path).Length > 1 << 20) throw new UserErrorException($"{path} is longer than a megabyte", "check that it is the right file");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string line in File.ReadLines(path))
        {
            if (Setting().Match(line) is not { Success: true } setting) continue;
            if (!settings.TryAdd(setting.Groups[1].Value, setting.Groups[2].Value.Trim('"', '\''))) throw new UserErrorException($"{path} gives {Printable.Of(setting.Groups[1].Value)} twice", "leave only one");
        }
        return settings;
    }

    [GeneratedRegex(@"layer_(\d+)\.safetensors$")]
    private static partial Regex Layer();

    [GeneratedRegex(@"^([A-Za-z_]\w*):\s*([^\s#][^#]*?)\s*(?:#.*)?$")]
    private static partial Regex Setting();
}

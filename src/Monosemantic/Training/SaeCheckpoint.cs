using System.Runtime.InteropServices;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>What <c>checkpoint.json</c> holds.</summary>
internal sealed record CheckpointManifest
{
    public required int FormatVersion { get; init; }

    /// <summary>Updates made; the next batch has this number.</summary>
    public required long Steps { get; init; }

    /// <summary>Tokens trained on.</summary>
    public required long Tokens { get; init; }

    /// <summary>Hash of everything that decides the run: config, scale, width and where the activations came from.</summary>
    public required string RunSha256 { get; init; }
}

/// <summary>
/// Everything that the rest of a training run depends on, in a folder <c>checkpoint-N</c> that appears under its name only
/// when it is whole. The two newest are kept.
/// </summary>
internal static class SaeCheckpoint
{
    private const string Prefix = "checkpoint-";
    private const string ManifestName = "checkpoint.json";
    private const string StateName = "state.safetensors";
    private const int Kept = 2;

    internal static void Save(string folder, CheckpointManifest manifest, SaeLearner learner)
    {
        string target = Path.Combine(folder, $"{Prefix}{manifest.Steps:D9}"), temporary = $"{target}.tmp";
        if (Directory.Exists(target)) return;
        if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        AtomicFile.MakeFolder(temporary);
        using (DisposeScope scope = NewDisposeScope())
        {
            SafetensorsWriter.Write(Path.Combine(temporary, StateName), State(learner).Concat(Counters(learner)));
        }
        JsonFile.Write(Path.Combine(temporary, ManifestName), manifest);
        Directory.Move(temporary, target);
        foreach (string old in Finished(folder).SkipLast(Kept)) Directory.Delete(old, recursive: true);
    }

    /// <summary>Loads the newest checkpoint of the folder into the learner; null where there is none.</summary>
    internal static CheckpointManifest? LoadNewest(string folder, string runSha256, SaeLearner learner)
    {
        if (Finished(folder).LastOrDefault() is not { } newest) return null;
        string path = Path.Combine(newest, ManifestName);
        CheckpointManifest manifest = JsonFile.Read<CheckpointManifest>(path);
        if (manifest.RunSha256 != runSha256)
        {
            throw new UserErrorException($"{newest} belongs to another run: config or activations differ", "resume with the same run file and activations, or choose another output folder");
        }
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(newest, StateName));
        foreach ((string name, Tensor destination) in State(learner)) Copy(file, name, destination);
        MemoryMarshal.Cast<byte, long>(file.Bytes("since_fired")).CopyTo(learner.Firing.Since);
        learner.Threshold.Value = MemoryMarshal.Cast<byte, double>(file.Bytes("threshold"))[0];
        learner.Sparsity.State = MemoryMarshal.Cast<byte, double>(file.Bytes("sparsity")).ToArray();
        learner.Updates = manifest.Steps;
        return manifest;
    }

    /// <summary>Whether a folder holds a whole checkpoint.</summary>
    internal static bool AnyIn(string folder) => Finished(folder).Any();

    /// <summary>Deletes the checkpoints of a finished run.</summary>
    internal static void DeleteAll(string folder)
    {
        foreach (string checkpoint in Directory.EnumerateDirectories(folder, $"{Prefix}*").ToArray())
        {
            if (checkpoint.EndsWith(".tmp", StringComparison.Ordinal) || File.Exists(Path.Combine(checkpoint, ManifestName))) Directory.Delete(checkpoint, recursive: true);
        }
    }

    private static IEnumerable<string> Finished(string folder) => !Directory.Exists(folder)
        ? []
        : Directory.EnumerateDirectories(folder, $"{Prefix}*").Where(path => File.Exists(Path.Combine(path, ManifestName)) && !path.EndsWith(".tmp", StringComparison.Ordinal)).Order(StringComparer.Ordinal);

    private static void Copy(SafetensorsFile file, string name, Tensor destination)
    {
        if (!file.Entry(name).Shape.SequenceEqual(destination.shape)) throw new UserErrorException($"{file.Path}: {name} has another shape than this run needs", "delete that checkpoint folder, so that an older one is used");
        using DisposeScope scope = NewDisposeScope();
        destination.copy_(file.Read(name));
    }

    private static IEnumerable<KeyValuePair<string, Tensor>> Counters(SaeLearner learner) =>
    [
        new("since_fired", tensor(learner.Firing.Since)),
        new("threshold", tensor(new[] { learner.Threshold.Value })),
        new("sparsity", tensor(learner.Sparsity.State)),
    ];

    private static IEnumerable<KeyValuePair<string, Tensor>> State(SaeLearner learner)
    {
        string[] names = [.. learner.Weights.Features.ToArray().Select((_, index) => $"feature_vector_{index}")];
        return new (string Part, SaeWeights Arrays)[] { ("weights", learner.Weights), ("mean", learner.Means), ("square", learner.Squares) }
            .SelectMany(part => part.Arrays.All(names).Select(array => new KeyValuePair<string, Tensor>($"{part.Part}.{array.Name}", array.Value)));
    }
}

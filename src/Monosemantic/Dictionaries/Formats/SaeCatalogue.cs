using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>A published set of sparse autoencoders: where its files belong, for formats whose files do not say it.</summary>
public sealed record SaeRelease
{
    /// <summary>Name of the release.</summary>
    public required string Name { get; init; }

    /// <summary>Where it is published, such as <c>google/gemma-scope-2b-pt-res</c>; its last part must be a folder of the path. Null where the layout alone tells.</summary>
    public string? Repository { get; init; }

    /// <summary>Format of the files, one of <c>list formats</c>.</summary>
    public required string Format { get; init; }

    /// <summary>End of the path of the weights, with a name in braces for what differs: <c>layer_{layer}/params.npz</c>.</summary>
    public required string Layout { get; init; }

    /// <summary>The model, as its publisher names it.</summary>
    public required string Model { get; init; }

    /// <summary>Hook point that is read, with the names in braces.</summary>
    public required string HookPoint { get; init; }

    /// <summary>Hook point that is predicted, of a transcoder.</summary>
    public string? HookPointOut { get; init; }

    /// <summary>Width of the inputs; another width is another release. Null for any.</summary>
    public int? DModel { get; init; }

    /// <summary>What is done to activations before they go in, beyond what the reader does itself.</summary>
    public string? Inputs { get; init; }

    /// <summary>Licence of the weights.</summary>
    public string? Licence { get; init; }

    /// <summary>The names in braces, where a path is of this release; else null.</summary>
    internal IReadOnlyDictionary<string, string>? Match(string path, string format, int dModel)
    {
        if (format != Format || (DModel is { } width && width != dModel)) return null;
        string whole = Path.GetFullPath(path).Replace('\\', '/');
        // The hub's own cache spells a repository with two dashes.
        if (Repository is { } repository && !whole.Split('/').Any(part => part == repository.Split('/')[^1] || part == $"models--{repository.Replace("/", "--", StringComparison.Ordinal)}")) return null;
        string pattern = string.Concat(Regex.Split(Layout, @"(\{\w+\})").Select(part => part switch
        {
            "{layer}" => @"(?<layer>\d+)",
            ['{', .., '}'] => $"(?<{part[1..^1]}>[^/]+)",
            _ => Regex.Escape(part),
        }));
        Match found = Regex.Match(whole, $"(^|/){pattern}$", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        return found.Success ? found.Groups.Keys.Where(key => !char.IsDigit(key[0])).ToDictionary(key => key, key => found.Groups[key].Value) : null;
    }

    /// <summary>A hook point with the names in braces filled in.</summary>
    internal static string Fill(string hook, IReadOnlyDictionary<string, string> names) => names.Aggregate(hook, (text, name) => text.Replace($"{{{name.Key}}}", name.Value, StringComparison.Ordinal));
}

/// <summary>
/// Well-known releases, known without a network, so that files that were downloaded by hand are placed. Users add their own
/// in a file of the same form, which the environment variable <see cref="Variable"/> names.
/// </summary>
public static class SaeCatalogue
{
    /// <summary>Environment variable with the path of a JSON list of further releases; they come first.</summary>
    public const string Variable = "MONOSEMANTIC_SAE_CATALOGUE";

    private const string ResourceName = "Dictionaries/sae-releases.json";

    private static readonly Lazy<ImmutableArray<SaeRelease>> Own = new(ReadOwn);

    /// <summary>All releases that are known.</summary>
    /// <exception cref="UserErrorException">The user's own file is missing or not of the right form.</exception>
    public static ImmutableArray<SaeRelease> All => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path ? [.. JsonFile.Read<ImmutableArray<SaeRelease>>(path), .. Own.Value] : Own.Value;

    /// <summary>Fills in what the files do not say, where their path is that of a known release.</summary>
    internal static (SaeConfig Config, SaeOrigin Origin, string? Note) Complete(string path, SaeConfig config, SaeOrigin origin)
    {
        if (config.HookPoint.Length > 0 && origin.Model is not null) return (config, origin, null);
        foreach (SaeRelease release in All)
        {
            if (release.Match(path, origin.Format, config.DModel) is not { } names) continue;
            SaeConfig completed = config.HookPoint.Length > 0 ? config : config with { HookPoint = SaeRelease.Fill(release.HookPoint, names), HookPointOut = release.HookPointOut is { } output ? SaeRelease.Fill(output, names) : config.HookPointOut };
            return (completed, origin with { Model = origin.Model ?? release.Model, Licence = origin.Licence ?? release.Licence }, $"by its path it is of the release {release.Name}: model and hook point are taken from the catalogue{(release.Inputs is { } inputs ? $"; {inputs}" : "")}");
        }
        return (config, origin, null);
    }

    private static ImmutableArray<SaeRelease> ReadOwn()
    {
        using Stream stream = typeof(SaeCatalogue).Assembly.GetManifestResourceStream(ResourceName) ?? throw new InvalidOperationException($"the resource {ResourceName} is missing");
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return JsonFile.Parse<ImmutableArray<SaeRelease>>(memory.ToArray(), ResourceName);
    }
}

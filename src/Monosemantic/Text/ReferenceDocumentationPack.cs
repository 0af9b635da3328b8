using System.Runtime.InteropServices;
using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>A reference pack on this machine.</summary>
/// <param name="Folder">The folder with its .xml files.</param>
/// <param name="Version">The pack's version, such as <c>10.0.10</c>.</param>
public sealed record ReferenceDocumentationPack(string Folder, string Version)
{
    /// <summary>The version that this project's restore downloads, so that the text is the same everywhere.</summary>
    public const string PinnedVersion = "10.0.10";

    private const string PackId = "Microsoft.NETCore.App.Ref";

    /// <summary>Finds the pinned pack in the package cache, else the newest pack of the installed SDK.</summary>
    /// <exception cref="UserErrorException">There is neither.</exception>
    internal static ReferenceDocumentationPack Find() =>
        Find(PackageCaches(), DotnetRoots());

    /// <summary>Finds a pack in given places.</summary>
    /// <param name="packageCaches">Package caches, where the pinned version is looked for.</param>
    /// <param name="dotnetRoots">Installations of .NET, where the newest pack is taken.</param>
    internal static ReferenceDocumentationPack Find(IEnumerable<string> packageCaches, IEnumerable<string> dotnetRoots)
    {
        IEnumerable<ReferenceDocumentationPack?> pinned = packageCaches.Select(cache => At(Path.Combine(cache, PackId.ToLowerInvariant(), PinnedVersion)));
        return pinned.Concat(dotnetRoots.SelectMany(InstalledUnder)).FirstOrDefault(pack => pack is not null)
            ?? throw new UserErrorException(
                $"the .NET reference documentation ({PackId} {PinnedVersion}) is not on this machine",
                "restore the project with the .NET SDK (dotnet restore), set NUGET_PACKAGES to the package cache, or give a corpus of your own");
    }

    private static IEnumerable<string> PackageCaches()
    {
        if (Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } cache) yield return cache;
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        if (home.Length > 0) yield return Path.Combine(home, ".nuget", "packages");
    }

    private static IEnumerable<string> DotnetRoots()
    {
        // The running runtime is <root>/shared/Microsoft.NETCore.App/<version>/.
        yield return Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root) yield return root;
    }

    private static IEnumerable<ReferenceDocumentationPack?> InstalledUnder(string root)
    {
        string packs = Path.Combine(root, "packs", PackId);
        if (!Directory.Exists(packs)) return [];
        return Directory.GetDirectories(packs)
            .Where(folder => System.Version.TryParse(Path.GetFileName(folder), out _))
            .OrderByDescending(folder => System.Version.Parse(Path.GetFileName(folder)))
            .Select(At);
    }

    // A pack holds ref/net10.0/*.xml, with the one framework that it is made for.
    private static ReferenceDocumentationPack? At(string folder)
    {
        string frameworks = Path.Combine(folder, "ref");
        if (!Directory.Exists(frameworks)) return null;
        string? documented = Directory.GetDirectories(frameworks)
            .Order(StringComparer.Ordinal)
            .FirstOrDefault(framework => Directory.EnumerateFiles(framework, "*.xml").Any());
        return documented is null ? null : new ReferenceDocumentationPack(documented, Path.GetFileName(folder));
    }
}

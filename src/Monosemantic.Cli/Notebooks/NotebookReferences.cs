using System.Collections.Immutable;
using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Scripting.Hosting;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Notebooks;

/// <summary>
/// What <c>#r</c> names: an assembly that this program was built with is that very assembly, wherever the notebook thinks it
/// lies, so that a notebook always runs against this build; anything else is a file beside the notebook. Nothing is downloaded.
/// </summary>
/// <param name="folder">The notebook's folder.</param>
/// <param name="loader">Told of every assembly, so that no second copy is loaded.</param>
internal sealed class NotebookReferences(string folder, InteractiveAssemblyLoader loader) : MetadataReferenceResolver
{
    private readonly Dictionary<string, PortableExecutableReference> known = new(StringComparer.Ordinal);

    public override bool ResolveMissingAssemblies => true;

    /// <summary>The assemblies of .NET itself.</summary>
    internal static IEnumerable<MetadataReference> Framework()
    {
        string home = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        string trusted = (string?)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") ?? "";
        return trusted.Split(Path.PathSeparator).Where(path => Path.GetDirectoryName(path) == home).Select(path => MetadataReference.CreateFromFile(path));
    }

    public override ImmutableArray<PortableExecutableReference> ResolveReference(string reference, string? baseFilePath, MetadataReferenceProperties properties)
    {
        string name = NameOf(reference), path = Path.Combine(AppContext.BaseDirectory, name);
        if (!File.Exists(path)) path = Path.GetFullPath(reference, folder);
        return File.Exists(path)
            ? [Load(path)]
            : throw new UserErrorException($"#r \"{reference}\" names no assembly: neither this program has {name} nor does {path} exist", "name an assembly beside the notebook or one of this program's, such as Monosemantic.dll; packages are not downloaded here");
    }

    public override PortableExecutableReference? ResolveMissingAssembly(MetadataReference definition, AssemblyIdentity referenceIdentity)
    {
        string path = Path.Combine(AppContext.BaseDirectory, referenceIdentity.Name + ".dll");
        return File.Exists(path) ? Load(path) : null;
    }

    public override bool Equals(object? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => folder.GetHashCode(StringComparison.Ordinal);

    // The file of #r "a/b.dll", and of #r "nuget: b, 1.0".
    private static string NameOf(string reference) =>
        reference.StartsWith("nuget:", StringComparison.OrdinalIgnoreCase) ? reference["nuget:".Length..].Split(',')[0].Trim() + ".dll" : Path.GetFileName(reference.Replace('\\', '/'));

    private PortableExecutableReference Load(string path)
    {
        if (known.TryGetValue(path, out PortableExecutableReference? reference)) return reference;
        bool own = Path.GetDirectoryName(path) == Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        loader.RegisterDependency(own ? Assembly.Load(AssemblyName.GetAssemblyName(path)) : Assembly.LoadFrom(path));
        return known[path] = MetadataReference.CreateFromFile(path);
    }
}

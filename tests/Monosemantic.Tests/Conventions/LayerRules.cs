using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Monosemantic.Tests.Conventions;

/// <summary>The tree is the pipeline: a lower layer never knows a higher one.</summary>
public static class LayerRules
{
    private static readonly Dictionary<string, int> Ranks = new(StringComparer.Ordinal)
    {
        ["Runtime"] = 0,
        ["Text"] = 1,
        ["Models"] = 2,
        ["Activations"] = 3,
        ["Dictionaries"] = 4,
        ["Training"] = 5,
        ["Metrics"] = 5,
        ["Features"] = 6,
        ["Reports"] = 7,
        ["Cli"] = 8,
    };

    /// <summary>A file uses its own layer and lower ones, has its layer's namespace, and Reports see no tensor.</summary>
    public static IEnumerable<string> Order(SourceFile file)
    {
        if (LayerOf(file.Path) is not { } layer) return [];
        if (!Ranks.TryGetValue(layer, out int rank)) return [file.At(1, $"the folder {layer} has no place in the order of layers")];
        return Uses(file, layer, rank).Concat(Namespaces(file, layer));
    }

    private static IEnumerable<string> Uses(SourceFile file, string layer, int rank)
    {
        foreach (NameSyntax name in file.Root.DescendantNodes().OfType<NameSyntax>().Where(IsWhole))
        {
            string[] parts = name.ToString().Split('.');
            bool tensors = layer == "Reports" && parts[0] == "TorchSharp" && name.Parent is UsingDirectiveSyntax;
            if (tensors) yield return file.At(name, "reports are made from plain data: no tensor above Features");
            if (parts[0] != "Monosemantic" || parts.Length < 2 || parts[1] == layer) continue;
            bool lower = Ranks.TryGetValue(parts[1], out int used) && used < rank;
            bool registryUse = !Ranks.ContainsKey(parts[1]) && name.Parent is not UsingDirectiveSyntax;
            if (!lower && !registryUse) yield return file.At(name, $"{layer} must not know {parts[1]}");
        }
    }

    private static IEnumerable<string> Namespaces(SourceFile file, string layer) =>
        from declared in file.Root.DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>()
        let name = declared.Name.ToString()
        where name != $"Monosemantic.{layer}" && !name.StartsWith($"Monosemantic.{layer}.", StringComparison.Ordinal)
        select file.At(declared, $"the namespace {name} is not that of the folder {layer}");

    // The outermost name of a.b.c, but not the name of a namespace declaration.
    private static bool IsWhole(NameSyntax name) =>
        name.Parent is not (QualifiedNameSyntax or BaseNamespaceDeclarationSyntax or AliasQualifiedNameSyntax);

    private static string? LayerOf(string path)
    {
        string[] parts = path.Split('/');
        if (parts is ["src", "Monosemantic.Cli", ..]) return "Cli";
        return parts is ["src", "Monosemantic", var layer, _, ..] ? layer : null;
    }
}

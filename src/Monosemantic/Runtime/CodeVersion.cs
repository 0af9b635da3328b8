using System.Reflection;

namespace Monosemantic.Runtime;

/// <summary>Which build made an artefact: the version and, where it was built from a checkout, the commit.</summary>
public static class CodeVersion
{
    /// <summary>Such as <c>0.1.0+5fc8e3d6</c>.</summary>
    public static string Current { get; } = Read();

    private static string Read()
    {
        string version = typeof(CodeVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
        int plus = version.IndexOf('+');
        return plus < 0 ? version : version[..Math.Min(version.Length, plus + 9)];
    }
}

using System.Runtime.InteropServices;

namespace Monosemantic.Runtime;

/// <summary>The few C library calls that have no managed counterpart. Linux only.</summary>
internal static class Libc
{
    internal const int LazyGlobal = 0x00001 | 0x00100;

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static extern int setenv(string name, string value, int overwrite);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static extern int mallopt(int parameter, int value);

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static extern nint dlopen(string path, int flags);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint dlerror();

    /// <summary>What the last failed <see cref="dlopen"/> said.</summary>
    internal static string LastLoadError() => Marshal.PtrToStringUTF8(dlerror()) ?? "no reason given";
}

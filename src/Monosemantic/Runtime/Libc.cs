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
    private static extern int open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static extern nint dlopen(string path, int flags);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint dlerror();

    /// <summary>Whether a path is a named pipe or another thing without a place to seek to; found out without waiting, as opening one does. Linux only.</summary>
    /// <param name="path">The path.</param>
    internal static bool IsPipe(string path)
    {
        const int ReadOnlyWithoutWaiting = 0x800 | 0x80000;
        var info = new FileInfo(path);
        if (!info.Exists || info.Length > 0) return false;
        using var handle = new Microsoft.Win32.SafeHandles.SafeFileHandle(open(path, ReadOnlyWithoutWaiting), ownsHandle: true);
        if (handle.IsInvalid) return false;
        using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
        return !stream.CanSeek;
    }

    /// <summary>What the last failed <see cref="dlopen"/> said.</summary>
    internal static string LastLoadError() => Marshal.PtrToStringUTF8(dlerror()) ?? "no reason given";
}

using System.Runtime.InteropServices;

namespace Monosemantic.Runtime;

/// <summary>Tells the system how memory is going to be used; does nothing where there is no such call.</summary>
internal static unsafe class MemoryPages
{
    private const int WillNeedAdvice = 3, DontNeedAdvice = 4, HugePageAdvice = 14, PopulateReadAdvice = 22;

    /// <summary>
    /// Asks for large pages: for a mapped file where it has to be read from the disk, for other memory where it is touched first
    /// afterwards. Rows that are looked at in random order then wait far less for the addresses of pages.
    /// </summary>
    public static void PreferLarge(byte* address, long bytes) => _ = Advise(address, bytes, HugePageAdvice, inside: true);

    /// <summary>Begins to read from the disk what is not in memory yet, and does not wait for it.</summary>
    public static void Fetch(byte* address, long bytes) => _ = Advise(address, bytes, WillNeedAdvice, inside: false);

    /// <summary>
    /// Takes whole pages out of this process; they stay in the system's cache of the file, and come back from there when they are
    /// looked at again. Only for memory that nobody writes.
    /// </summary>
    public static void Release(byte* address, long bytes) => _ = Advise(address, bytes, DontNeedAdvice, inside: true);

    /// <summary>
    /// Makes sure that memory is there when it is looked at next, waiting for the disk where it must. Asking for all of it at once
    /// costs a sixth of what the processor's own faults do, page by page.
    /// </summary>
    public static void Populate(byte* address, long bytes)
    {
        if (Advise(address, bytes, PopulateReadAdvice, inside: false)) return;
        byte sum = 0;
        for (long at = 0; at < bytes; at += Environment.SystemPageSize) sum ^= Volatile.Read(ref address[at]);
        _ = sum;
    }

    // Whether it was taken. Advice only: where it is refused, everything works as before, a little slower.
    private static bool Advise(byte* address, long bytes, int advice, bool inside)
    {
        if (bytes <= 0) return true;
        if (!OperatingSystem.IsLinux()) return false;
        nint page = Environment.SystemPageSize, first = (nint)address, last = first + (nint)bytes;
        first = inside ? (first + page - 1) / page * page : first / page * page;
        if (inside) last = last / page * page;
        return last <= first || madvise(first, last - first, advice) == 0;
    }

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int madvise(nint address, nint length, int advice);
}

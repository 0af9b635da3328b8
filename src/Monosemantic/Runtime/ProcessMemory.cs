using System.Diagnostics;
using System.Globalization;

namespace Monosemantic.Runtime;

/// <summary>How much memory this process takes, as the system counts it.</summary>
public static class ProcessMemory
{
    /// <summary>Bytes that are resident now.</summary>
    public static long Current => Read("VmRSS:") ?? Process.GetCurrentProcess().WorkingSet64;

    /// <summary>The most bytes that were resident at a time so far.</summary>
    public static long Peak => Read("VmHWM:") ?? Process.GetCurrentProcess().PeakWorkingSet64;

    private static long? Read(string key)
    {
        if (!OperatingSystem.IsLinux()) return null;
        string? line = File.ReadLines("/proc/self/status").FirstOrDefault(text => text.StartsWith(key, StringComparison.Ordinal));
        return line is null ? null : long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}

using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>What fits on the disk of a folder.</summary>
internal static class DiskSpace
{
    /// <summary>Bytes that are free on the disk of a folder, which need not exist yet; null where that cannot be told.</summary>
    public static long? Free(string folder)
    {
        string? there = Path.GetFullPath(folder);
        while (there is not null && !Directory.Exists(there)) there = Path.GetDirectoryName(there);
        try
        {
            return there is null ? null : new DriveInfo(there).AvailableFreeSpace;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Bytes of the files in a folder; 0 where it does not exist.</summary>
    public static long Used(string folder) => Directory.Exists(folder) ? new DirectoryInfo(folder).EnumerateFiles().Sum(file => file.Length) : 0;

    /// <summary>Refuses a disk that is too small.</summary>
    /// <param name="folder">Where to write.</param>
    /// <param name="bytes">What is still to be written.</param>
    /// <param name="what">What is written, as the subject of a sentence.</param>
    /// <exception cref="UserErrorException">It does not fit.</exception>
    public static void Require(string folder, long bytes, string what)
    {
        if (Free(folder) is not { } free || bytes <= free) return;
        throw new UserErrorException(
            $"{what} needs {bytes / 1e6:N1} MB more, but the disk is full at {free / 1e6:N1} MB: {folder} cannot hold it",
            "choose another disk with --out, keep fewer rows, or use --dtype int8 or f16");
    }
}

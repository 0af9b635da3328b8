namespace Monosemantic.Runtime;

/// <summary>Files that are either whole or absent: written under a temporary name, flushed to the disk, then renamed.</summary>
public static class AtomicFile
{
    // Small enough not to count as a large object, of which the collector lets many pile up.
    internal const int BufferBytes = 1 << 16;

    /// <summary>Writes a file through a stream; on any failure the target is left as it was.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="write">Writes the whole content.</param>
    /// <exception cref="UserErrorException">The disk is full or the folder cannot be written.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, BufferBytes))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception failure)
        {
            DeleteQuietly(temporary);
            if (Explain(failure, path) is { } explained) throw explained;
            throw;
        }
    }

    /// <summary>Writes text as UTF-8 without a byte order mark.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="text">Its whole content.</param>
    public static void WriteText(string path, string text)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(text);
        Write(path, stream => stream.Write(bytes));
    }

    /// <summary>Makes a folder, and those above it, unless it is there.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="UserErrorException">It cannot be made.</exception>
    public static void MakeFolder(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception failure) when (Explain(failure, path) is { } explained)
        {
            throw explained;
        }
    }

    /// <summary>Turns a failed write into the error a user can act on; null where the failure is something else.</summary>
    /// <param name="failure">What the operating system said.</param>
    /// <param name="path">The file that was being written.</param>
    public static UserErrorException? Explain(Exception failure, string path) => failure switch
    {
        UserErrorException => null,
        UnauthorizedAccessException => new($"{path} cannot be written: permission denied", "choose another folder with --out, or change its permissions", failure),
        IOException io when IsDiskFull(io) => new($"the disk is full while writing {path}", "free some space or choose another disk with --out; what was finished before is kept", failure),
        DirectoryNotFoundException => new($"{path} cannot be written: its folder does not exist", "make the folder first, or choose another with --out", failure),
        IOException io => new($"{path} cannot be written: {io.Message}", "check the disk and the folder's permissions", failure),
        _ => null,
    };

    // ENOSPC on Linux (28) and ERROR_DISK_FULL on Windows (112), as the low half of the HRESULT.
    private static bool IsDiskFull(IOException failure) => (failure.HResult & 0xFFFF) is 28 or 112;

    private static void DeleteQuietly(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The write's own failure is what the user needs to hear about.
        }
    }
}

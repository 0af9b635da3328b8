using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Monosemantic.Runtime;

/// <summary>What came of loading the patched library: its handle (0 if it failed) and a line for <c>doctor</c>.</summary>
internal sealed record PatchOutcome(nint Handle, string Description);

/// <summary>
/// LibTorchSharp 0.107 asks for libstdc++ of GCC 13 (version GLIBCXX_3.4.32) though it never calls anything of it: the one
/// symbol is a link-time marker. On systems whose libstdc++ is older the loader refuses the file. A copy in which that one
/// version need is marked weak loads and is otherwise the same, byte for byte; the original is never changed.
/// </summary>
internal static class LibTorchSharpPatch
{
    private const string Library = "libLibTorchSharp.so";
    private const string UnmetVersion = "GLIBCXX_3.4.32";
    private static readonly string[] Dependencies = ["libgomp*.so*", "libc10.so", "libtorch_cpu.so", "libtorch.so"];

    internal static PatchOutcome Load()
    {
        if (FindOriginal() is not { } original) return new(0, $"{Library} is not beside the application");
        byte[] image = File.ReadAllBytes(original);
        if (!ElfVersionNeeds.MarkWeak(image, UnmetVersion)) return new(0, $"{original} does not need {UnmetVersion}; no patch applies");
        string copy = WriteCopy(image, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(original))));
        foreach (string dependency in DependenciesBeside(original)) _ = Libc.dlopen(dependency, Libc.LazyGlobal);
        nint handle = Libc.dlopen(copy, Libc.LazyGlobal);
        return handle != 0 ? new(handle, $"loaded {copy}") : new(0, $"{copy} does not load: {Libc.LastLoadError()}");
    }

    /// <summary>What the loader says of each library as shipped: the missing system piece, by name.</summary>
    internal static string Diagnose()
    {
        if (FindOriginal() is not { } original) return $"{Library} was not found beside the application";
        foreach (string path in DependenciesBeside(original).Append(original))
        {
            if (Libc.dlopen(path, Libc.LazyGlobal) == 0) return Libc.LastLoadError();
        }
        return "every library loads by itself";
    }

    private static string? FindOriginal()
    {
        string search = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        IEnumerable<string> folders = search.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(AppContext.BaseDirectory)
            .Append(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"));
        return folders.Select(folder => Path.Combine(folder, Library)).FirstOrDefault(File.Exists);
    }

    // libtorch may lie in another package's folder than LibTorchSharp, so every folder on the native search path is looked at.
    private static IEnumerable<string> DependenciesBeside(string original)
    {
        string search = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        string[] folders = [Path.GetDirectoryName(original)!, .. search.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)];
        foreach (string pattern in Dependencies)
        {
            string? found = folders.Where(Directory.Exists).SelectMany(folder => Directory.EnumerateFiles(folder, pattern)).Order(StringComparer.Ordinal).FirstOrDefault();
            if (found is not null) yield return found;
        }
    }

    // Several processes may start at once: each writes its own temporary file and renames it over the same bytes.
    private static string WriteCopy(byte[] image, string originalHash)
    {
        if (CacheFolder() is { } cache)
        {
            try
            {
                return WriteCopyIn(Path.Combine(cache, "native", originalHash[..16]), image);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                // A cache that cannot be written is no reason to fail: a temporary folder does as well.
            }
        }
        // A folder of this user's alone: a shared name in the temporary folder would let another user plant a library.
        return WriteCopyIn(Directory.CreateTempSubdirectory("monosemantic-").FullName, image);
    }

    private static string WriteCopyIn(string folder, byte[] image)
    {
        Directory.CreateDirectory(folder);
        string target = Path.Combine(folder, Library);
        if (File.Exists(target) && new FileInfo(target).Length == image.Length && File.ReadAllBytes(target).AsSpan().SequenceEqual(image)) return target;
        string temporary = Path.Combine(folder, $"{Library}.{Environment.ProcessId}.{Guid.NewGuid():N}.tmp");
        try
        {
            File.WriteAllBytes(temporary, image);
            File.Move(temporary, target, overwrite: true);
            return target;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static string? CacheFolder()
    {
        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME"), home = Environment.GetEnvironmentVariable("HOME");
        if (cache is { Length: > 0 }) return Path.Combine(cache, "monosemantic");
        return home is { Length: > 0 } ? Path.Combine(home, ".cache", "monosemantic") : null;
    }
}

/// <summary>The GNU version needs of an ELF64 little-endian shared library: which symbol versions it wants of which library.</summary>
internal static class ElfVersionNeeds
{
    private const uint SectionVersionNeed = 0x6ffffffe;
    private const ushort FlagWeak = 2;

    /// <summary>Marks every need of the named version weak, in place; false if there is none (or the file is no such library).</summary>
    internal static bool MarkWeak(byte[] image, string version)
    {
        if (image.Length < 64 || !image.AsSpan(0, 6).SequenceEqual<byte>([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1])) return false;
        int sections = (int)U64(image, 0x28), entrySize = U16(image, 0x3a), count = U16(image, 0x3c);
        bool found = false;
        for (int i = 0; i < count; i++)
        {
            int header = sections + i * entrySize;
            if (U32(image, header + 4) != SectionVersionNeed) continue;
            int strings = (int)U64(image, sections + (int)U32(image, header + 0x28) * entrySize + 0x18);
            found |= MarkSection(image, (int)U64(image, header + 0x18), strings, version);
        }
        return found;
    }

    private static bool MarkSection(byte[] image, int need, int strings, string version)
    {
        bool found = false;
        while (true)
        {
            int auxiliary = need + (int)U32(image, need + 8);
            for (int left = U16(image, need + 2); left > 0; left--)
            {
                if (TextAt(image, strings + (int)U32(image, auxiliary + 8)) == version)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(auxiliary + 4), (ushort)(U16(image, auxiliary + 4) | FlagWeak));
                    found = true;
                }
                auxiliary += (int)U32(image, auxiliary + 12);
            }
            uint next = U32(image, need + 12);
            if (next == 0) return found;
            need += (int)next;
        }
    }

    private static ushort U16(byte[] image, int at) => BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(at));

    private static uint U32(byte[] image, int at) => BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(at));

    private static ulong U64(byte[] image, int at) => BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(at));

    private static string TextAt(byte[] image, int at)
    {
        int end = Array.IndexOf(image, (byte)0, at);
        return Encoding.ASCII.GetString(image, at, end - at);
    }
}

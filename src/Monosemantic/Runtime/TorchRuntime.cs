using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace Monosemantic.Runtime;

/// <summary>
/// Prepares the process for libtorch before anything touches it, without loading it: OpenMP and allocator settings that
/// change speed by factors, and a second chance for the one native library that older systems refuse.
/// </summary>
/// <remarks>
/// Runs when the first member of this library is used; everything here costs microseconds, and libtorch itself is loaded
/// only by the first tensor. Each step can be switched off: <c>MONOSEMANTIC_NO_OPENMP_SETTINGS</c>,
/// <c>MONOSEMANTIC_NO_ALLOCATOR_SETTINGS</c>, <c>MONOSEMANTIC_NO_NATIVE_PATCH</c> (any value).
/// <c>monosemantic doctor</c> prints <see cref="Steps"/>.
/// </remarks>
public static class TorchRuntime
{
    private static readonly List<RuntimeStep> Taken = [];
    private static readonly Lock Gate = new();
    private static nint patched;

    /// <summary>What was done to this process so far, in order.</summary>
    public static IReadOnlyList<RuntimeStep> Steps
    {
        get
        {
            lock (Gate) return [.. Taken];
        }
    }

#pragma warning disable CA2255 // The settings must be in force before the first tensor, whoever makes it: app, test or notebook.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Prepare()
    {
        if (!OperatingSystem.IsLinux())
        {
            Note("platform", $"{RuntimeInformation.RuntimeIdentifier}: nothing to prepare");
            return;
        }
        Apply("openmp", "MONOSEMANTIC_NO_OPENMP_SETTINGS", SetOpenMpSpin);
        Apply("allocator", "MONOSEMANTIC_NO_ALLOCATOR_SETTINGS", SetAllocator);
        Apply("native patch", "MONOSEMANTIC_NO_NATIVE_PATCH", OfferPatchedLibrary);
    }

    private static void Apply(string name, string switchOff, Func<string> step)
    {
        if (Environment.GetEnvironmentVariable(switchOff) is not null)
        {
            Note(name, $"switched off by {switchOff}");
            return;
        }
        try
        {
            Note(name, step());
        }
        catch (Exception failure) when (failure is EntryPointNotFoundException or DllNotFoundException)
        {
            Note(name, $"this C library has no such call ({failure.Message}); left as it is");
        }
    }

    private static void Note(string name, string outcome)
    {
        lock (Gate) Taken.Add(new(name, outcome));
    }

    // libgomp's workers spin for milliseconds when they wait; on a shared machine that steals the core that others compute on
    // (measured: a 0.2 ms product took 24 ms). The variable must be in C's environment before libgomp is loaded.
    private static string SetOpenMpSpin()
    {
        return Libc.setenv("GOMP_SPINCOUNT", "1000", 0) == 0 ? "GOMP_SPINCOUNT=1000 unless set before" : "the C environment cannot be changed";
    }

    // glibc maps and unmaps every large result, so that page faults cost more than the arithmetic (relu on 64 MB: 44 -> 7 ms).
    private static string SetAllocator()
    {
        const int trimThreshold = -1, topPad = -2, mmapMax = -4;
        bool set = Libc.mallopt(mmapMax, 0) == 1 & Libc.mallopt(trimThreshold, int.MaxValue) == 1 & Libc.mallopt(topPad, 64 << 20) == 1;
        return set ? "glibc keeps large blocks (mmap_max 0, trim off, top_pad 64 MB)" : "the C library refuses the settings; left as it is";
    }

    private static string OfferPatchedLibrary()
    {
        // Raised only when the normal search has failed, so systems with a new enough libstdc++ never come here.
        AssemblyLoadContext.Default.ResolvingUnmanagedDll += (_, name) => Resolve(name);
        return "ready, used only if LibTorchSharp does not load as shipped";
    }

    private static nint Resolve(string name)
    {
        if (!name.Contains("LibTorchSharp", StringComparison.Ordinal)) return 0;
        lock (Gate)
        {
            if (patched != 0) return patched;
            PatchOutcome outcome = LibTorchSharpPatch.Load();
            patched = outcome.Handle;
            Taken.Add(new("native patch", outcome.Description));
            return patched;
        }
    }

    /// <summary>Loads libtorch now and says which version came, or what is missing.</summary>
    /// <returns>The version of libtorch that was loaded.</returns>
    /// <exception cref="UserErrorException">libtorch cannot be loaded; the message names the missing system piece.</exception>
    public static string Load()
    {
        try
        {
            return TorchSharp.torch.__version__;
        }
        catch (Exception failure) when (Explain(failure) is { } explained)
        {
            throw explained;
        }
    }

    /// <summary>Turns a failure to load libtorch into the error a user can act on; null where the failure is something else.</summary>
    /// <param name="failure">What the first use of a tensor threw.</param>
    public static UserErrorException? Explain(Exception failure)
    {
        bool loading = failure is TypeInitializationException { TypeName: { } type } ? type.StartsWith("TorchSharp.", StringComparison.Ordinal) : failure is DllNotFoundException;
        if (!loading) return null;
        string steps = string.Join("; ", Steps.Select(step => $"{step.Name}: {step.Outcome}"));
        return new UserErrorException(
            $"libtorch cannot be loaded on {RuntimeInformation.OSDescription}: {LibTorchSharpPatch.Diagnose()} ({steps})",
            "run `monosemantic doctor`, and install the library it names (Debian: apt-get install libgomp1 libstdc++6)",
            failure);
    }
}

/// <summary>One thing that was done, or deliberately not done, to prepare the process.</summary>
/// <param name="Name">Which preparation.</param>
/// <param name="Outcome">What came of it.</param>
public sealed record RuntimeStep(string Name, string Outcome);

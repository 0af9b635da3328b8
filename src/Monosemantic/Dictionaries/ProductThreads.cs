using System.Runtime.InteropServices;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries;

/// <summary>
/// Keeps libtorch's matrix product to the calling thread, so that many workers can each run a small product without
/// libtorch's own thread pool fighting them for the same cores. The setting is the thread's own; nothing else notices.
/// A product by one thread also has the same bits whatever the number of workers.
/// </summary>
internal static unsafe class ProductThreads
{
    private const int AlreadyLoadedLazy = 0x00001 | 0x00004;
    private static readonly delegate* unmanaged<int, int> SetLocal = Find();

    /// <summary>Runs the calling thread's products on it alone until the result is disposed.</summary>
    internal static Lease Single() => new(SetLocal == null ? 0 : SetLocal(1));

    // MKL lies inside libtorch and exports the call; where there is another product library the products stay as they are.
    private static delegate* unmanaged<int, int> Find()
    {
        if (!OperatingSystem.IsLinux()) return null;
        nint library = Libc.dlopen("libtorch_cpu.so", AlreadyLoadedLazy);
        return library != 0 && NativeLibrary.TryGetExport(library, "MKL_Set_Num_Threads_Local", out nint call) ? (delegate* unmanaged<int, int>)call : null;
    }

    /// <summary>Gives the thread its former setting back.</summary>
    /// <param name="former">What the thread had before.</param>
    internal readonly ref struct Lease(int former)
    {
        public void Dispose()
        {
            if (SetLocal != null) _ = SetLocal(former);
        }
    }
}

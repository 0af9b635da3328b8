using System.Runtime.InteropServices;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries;

/// <summary>
/// Keeps libtorch to the calling thread, so that many workers can each run something small without libtorch's own threads
/// fighting them for the same cores. The settings are the thread's own; nothing else notices.
/// A product by one thread also has the same bits whatever the number of workers.
/// </summary>
internal static unsafe class ProductThreads
{
    private const int AlreadyLoadedLazy = 0x00001 | 0x00004;
    private static readonly delegate* unmanaged<int, int> SetProduct = (delegate* unmanaged<int, int>)Find("MKL_Set_Num_Threads_Local");
    private static readonly delegate* unmanaged<int, void> SetLoops = (delegate* unmanaged<int, void>)Find("omp_set_num_threads");

    /// <summary>Runs what the calling thread asks of libtorch on it alone until the result is disposed.</summary>
    internal static Lease Single()
    {
        // Asking libtorch gives a new thread the number that was set for all; it would else do so later, over what is set here.
        int loops = SetLoops == null ? 0 : TorchSharp.torch.get_num_threads();
        if (loops > 1) SetLoops(1);
        return new(SetProduct == null ? 0 : SetProduct(1), loops);
    }

    // MKL lies inside libtorch and exports its call, OpenMP beside it; where there is another library things stay as they are.
    private static nint Find(string name)
    {
        if (!OperatingSystem.IsLinux()) return 0;
        nint library = Libc.dlopen("libtorch_cpu.so", AlreadyLoadedLazy);
        return library != 0 && NativeLibrary.TryGetExport(library, name, out nint call) ? call : 0;
    }

    /// <summary>Gives the thread its former settings back.</summary>
    /// <param name="product">Threads of a product before; 0 for what the process has.</param>
    /// <param name="loops">Threads of a loop before; 0 if unknown.</param>
    internal readonly ref struct Lease(int product, int loops)
    {
        public void Dispose()
        {
            if (SetProduct != null) _ = SetProduct(product);
            if (loops > 1) SetLoops(loops);
        }
    }
}

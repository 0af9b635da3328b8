using System.Runtime.InteropServices;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries;

public sealed class ProductThreadsTests
{
    private const int Asked = 3;

    [Fact]
    public void Libtorch_keeps_to_the_calling_thread_and_gets_its_threads_back()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere libtorch's threads stay as they are");
        // The number is the thread's own, and this thread is new: no other test notices.
        using var seen = new Aside<(int Before, int Within, int Inner, int After)>(() =>
        {
            _ = get_num_threads();
            SetLoops(Asked);
            int before = get_num_threads(), within, inner;
            using (ProductThreads.Single())
            {
                using (ProductThreads.Single()) inner = get_num_threads();
                within = get_num_threads();
            }
            return (before, within, inner, get_num_threads());
        });
        Assert.Equal((Asked, 1, 1, Asked), seen.Result);
    }

    [Fact]
    public void A_new_thread_has_the_number_that_was_set_for_all_afterwards()
    {
        int forAll = get_num_threads();
        using var seen = new Aside<int>(() =>
        {
            using (ProductThreads.Single()) _ = get_num_threads();
            return get_num_threads();
        });
        Assert.Equal(forAll, seen.Result);
    }

    private static unsafe void SetLoops(int threads)
    {
        const int alreadyLoadedLazy = 0x00001 | 0x00004;
        ((delegate* unmanaged<int, void>)NativeLibrary.GetExport(Libc.dlopen("libtorch_cpu.so", alreadyLoadedLazy), "omp_set_num_threads"))(threads);
    }
}

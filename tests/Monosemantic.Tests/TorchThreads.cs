using Monosemantic.Runtime;
using Monosemantic.Tests;
using TorchSharp;

[assembly: AssemblyFixture(typeof(TorchThreads))]

namespace Monosemantic.Tests;

/// <summary>One libtorch thread for the whole run: tests run side by side, and waiting workers would steal each other's core.</summary>
public sealed class TorchThreads
{
    public TorchThreads()
    {
        TorchRuntime.Load();
        torch.set_num_threads(1);
    }
}

using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;

namespace Monosemantic.Tests.EndToEnd;

public sealed class CompiledAheadTests
{
    // What was not found is left out without a word, so that nobody's build stops for it: here it is looked for.
    [Theory]
    [InlineData("Monosemantic.dll")]
    [InlineData("Monosemantic.Cli.dll")]
    [InlineData("Parquet.dll")]
    [InlineData("TorchSharp.dll")]
    public void Release_build_of_the_program_holds_machine_code(string assembly)
    {
        string folder = Path.GetDirectoryName(CommandLine.Program)!;
        bool expected = folder.Split(Path.DirectorySeparatorChar).Contains("Release") && RuntimeInformation.RuntimeIdentifier is "linux-x64" or "win-x64" or "osx-arm64";
        using var image = new PEReader(File.OpenRead(Path.Combine(folder, assembly)));
        Assert.Equal(expected, image.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0);
    }
}

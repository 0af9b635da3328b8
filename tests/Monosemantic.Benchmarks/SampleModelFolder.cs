using Monosemantic.Runtime;

namespace Monosemantic.Benchmarks;

/// <summary>Where the sample model of the repository lies.</summary>
internal static class SampleModelFolder
{
    internal static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string sample = Path.Combine(folder.FullName, "activations", "sample", "dotnet-docs-lm");
            if (Directory.Exists(sample)) return sample;
        }
        throw new UserErrorException("the sample model was not found", "run the benchmarks from the repository");
    }
}

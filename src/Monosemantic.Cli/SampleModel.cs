using Monosemantic.Runtime;

namespace Monosemantic.Cli;

/// <summary>The small language model that ships with the tool.</summary>
internal static class SampleModel
{
    private const string Name = "dotnet-docs-lm";

    /// <summary>Its folder, beside the program.</summary>
    internal static string Find()
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "sample", Name);
        return File.Exists(Path.Combine(folder, "config.json"))
            ? folder
            : throw new UserErrorException($"the sample model is not in {folder}", "build the program from a whole checkout, or run demo --from-scratch");
    }
}

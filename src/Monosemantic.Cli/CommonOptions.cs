using System.CommandLine;

namespace Monosemantic.Cli;

/// <summary>Options that mean the same in every command that has them.</summary>
internal static class CommonOptions
{
    internal static Option<string> Out(string what) => new("--out") { Description = what, Required = true, HelpName = "DIR" };

    internal static Option<string> Directory(string name, string what) => new(name) { Description = what, Required = true, HelpName = "DIR" };

    internal static Option<string[]> Set() => new("--set") { Description = "override one key of the run file; may be given several times", HelpName = "key=value", AllowMultipleArgumentsPerToken = false };

    internal static Option<string[]> Text() => new("--text")
    {
        Description = "text files, folders, .jsonl, - for standard input, or dotnet-docs for the .NET reference documentation",
        DefaultValueFactory = _ => ["dotnet-docs"],
        HelpName = "PATH",
        AllowMultipleArgumentsPerToken = true,
    };

    internal static Option<bool> Resume() => new("--resume") { Description = "go on with the unfinished run in the output folder" };

    internal static Option<bool> Json() => new("--json") { Description = "print the result as JSON and nothing else" };

    internal static Option<long> Seed() => new("--seed") { Description = "seed of every random choice", DefaultValueFactory = _ => 0, HelpName = "S" };
}

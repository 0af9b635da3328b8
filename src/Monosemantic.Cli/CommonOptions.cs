using System.CommandLine;
using System.Globalization;

namespace Monosemantic.Cli;

/// <summary>Options that mean the same in every command that has them.</summary>
internal static class CommonOptions
{
    internal static Option<string> Out(string what) => Directory("--out", what);

    internal static Option<string> Directory(string name, string what) => NotEmpty(new Option<string>(name) { Description = what, Required = true, HelpName = "DIR" });

    internal static Option<string> Model() => Directory("--model", "the model: a folder in the layout of Hugging Face, or a llama2.c file");

    /// <summary>Refuses an empty path, which the system would take for something else.</summary>
    internal static Option<string> NotEmpty(Option<string> option)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => string.IsNullOrWhiteSpace(token.Value))) result.AddError($"{option.Name} is empty; it must be a path.");
        });
        return option;
    }

    /// <summary>Refuses a number that makes no sense.</summary>
    /// <param name="option">The option.</param>
    /// <param name="holds">Whether a number will do.</param>
    /// <param name="range">What it must be, such as <c>at least 1</c>.</param>
    internal static Option<T> Require<T>(this Option<T> option, Func<T, bool> holds, string range)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && result.GetValue(option) is { } value && !holds(value)) result.AddError(string.Create(CultureInfo.InvariantCulture, $"{option.Name} is {value}; it must be {range}."));
        });
        return option;
    }

    internal static Option<int> AtLeast(this Option<int> option, int least) => option.Require(value => value >= least, $"at least {least}");

    internal static Option<string[]> Set() => new("--set") { Description = "override one setting by its key; may be given several times", HelpName = "key=value", AllowMultipleArgumentsPerToken = false };

    internal static Option<string[]> Text() => new("--text")
    {
        Description = "text files, folders, .jsonl, - for standard input, or dotnet-docs for the .NET reference documentation",
        DefaultValueFactory = _ => ["dotnet-docs"],
        HelpName = "PATH",
        AllowMultipleArgumentsPerToken = true,
    };

    internal static Option<string> TextField() => new("--text-field") { Description = "field that holds the text in JSON lines", DefaultValueFactory = _ => "text", HelpName = "NAME" };

    internal static Option<bool> Resume() => new("--resume") { Description = "go on with the unfinished run in the output folder" };

    internal static Option<bool> Json() => new("--json") { Description = "print the result as JSON and nothing else" };

    internal static Option<long> Seed() => new("--seed") { Description = "seed of every random choice", DefaultValueFactory = _ => 0, HelpName = "S" };
}

using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text.RegularExpressions;
using Monosemantic.Cli;

namespace Monosemantic.Tests.Cli;

public sealed partial class CommandTests
{
    private static IEnumerable<Command> All(Command command) => command.Subcommands.SelectMany(All).Prepend(command);

    [Fact]
    public void Every_command_has_a_summary_and_an_example_that_parses()
    {
        foreach (Command command in All(CommandLineApp.Root()))
        {
            Assert.False(string.IsNullOrWhiteSpace(command.Description), command.Name);
            string example = Assert.IsType<ToolCommand>(command).Example;
            ParseResult parsed = CommandLineApp.Root().Parse([.. Words().Matches(example).Skip(1).Select(word => word.Value.Trim('"'))]);
            Assert.True(parsed.Action is not ParseErrorAction, $"{example}: {string.Join(" ", parsed.Errors.Select(error => error.Message))}");
        }
    }

    [Fact]
    public void Every_option_says_what_it_is() =>
        Assert.All(All(CommandLineApp.Root()).SelectMany(command => command.Options), option => Assert.False(string.IsNullOrWhiteSpace(option.Description), option.Name));

    [Fact]
    public void Hints_name_only_commands_that_exist()
    {
        HashSet<string> known = [.. CommandLineApp.Root().Subcommands.Select(command => command.Name)];
        int seen = 0;
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories).Where(path => !path.Contains("/obj/")))
        {
            foreach (Match match in CommandInText().Matches(File.ReadAllText(path)))
            {
                seen++;
                Assert.True(known.Contains(match.Groups[1].Value), $"{path}: {match.Value}");
            }
        }
        Assert.True(seen > 5, $"only {seen} commands were found in the source");
    }

    [GeneratedRegex("\"[^\"]*\"|[^ ]+")]
    private static partial Regex Words();

    [GeneratedRegex("`monosemantic ([a-z-]+)")]
    private static partial Regex CommandInText();
}

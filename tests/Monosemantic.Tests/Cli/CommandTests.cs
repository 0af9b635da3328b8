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

    [Theory]
    [InlineData("scan --ablate -1", "--ablate is -1; it must be at least 0.")]
    [InlineData("scan --save-every NaN", "--save-every is NaN; it must be 0 or more.")]
    [InlineData("features list --limit 0", "--limit is 0; it must be at least 1.")]
    [InlineData("report --max-file -5", "--max-file is -5; it must be at least 0.")]
    [InlineData("store sample --rows 0", "--rows is 0; it must be at least 1.")]
    [InlineData("forward --batch 0", "--batch is 0; it must be at least 1.")]
    [InlineData("generate --top-p 1.5", "--top-p is 1.5; it must be above 0 and at most 1.")]
    public void A_number_that_makes_no_sense_is_refused_by_name(string command, string error) =>
        Assert.Contains(error, CommandLineApp.Root().Parse(command).Errors.Select(found => found.Message));

    [Theory]
    [InlineData("scan --ablate 0")]
    [InlineData("scan --save-every 0")]
    [InlineData("report --max-file 0")]
    [InlineData("generate --top-p 1")]
    public void The_last_number_that_makes_sense_is_taken(string command) =>
        Assert.DoesNotContain(CommandLineApp.Root().Parse(command).Errors, found => found.Message.Contains("it must be", StringComparison.Ordinal));

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

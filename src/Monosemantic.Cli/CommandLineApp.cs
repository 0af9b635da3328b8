using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using Monosemantic.Cli.Commands;
using Monosemantic.Runtime;

namespace Monosemantic.Cli;

/// <summary>The <c>monosemantic</c> command: its sub-commands, one line each, and what happens when one fails.</summary>
public static class CommandLineApp
{
    private const int UserErrorExit = 1, BugExit = 2;

    /// <summary>Every command.</summary>
    public static IReadOnlyList<Func<Command>> Commands { get; } =
    [
        DemoCommand.Create,
        ExtractCommand.Create,
        StoreCommand.Create,
        ImportCommand.Create,
        TrainCommand.Create,
        EvalCommand.Create,
        SaeCommand.Create,
        SynthCommand.Create,
        SuperpositionCommand.Create,
        SweepCommand.Create,
        ScanCommand.Create,
        ReportCommand.Create,
        PlotCommand.Create,
        NotebookCommand.Create,
        QueryCommand.Create,
        FeaturesCommand.Create,
        ForwardCommand.Create,
        GenerateCommand.Create,
        ModelCommand.Create,
        LanguageModelCommand.Create,
        TokenizeCommand.Create,
        LearnCommand.Create,
        ListCommand.Create,
        DoctorCommand.Create,
    ];

    /// <summary>Parses the arguments and runs the command they name.</summary>
    /// <param name="args">The process's arguments.</param>
    /// <returns>0 for success, 1 for an error the user can put right, 2 for a bug.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        ParseResult parsed = Root().Parse(args.Length == 0 ? ["--help"] : args);
        if (parsed.Action is ParseErrorAction) return Fail(string.Join(" ", parsed.Errors.Select(error => error.Message)), HintFor(parsed));
        using var stop = new CancellationTokenSource();
        // Quick commands take no token: the system's own handling ends them.
        bool stoppable = parsed.Action is AsynchronousCommandLineAction;
        using PosixSignalRegistration? interrupt = stoppable ? StopOn(PosixSignal.SIGINT, stop) : null, terminate = stoppable ? StopOn(PosixSignal.SIGTERM, stop) : null;
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, stop.Token);
        }
        catch (UserErrorException error)
        {
            return Fail(error.Message, error.Hint);
        }
        catch (OperationCanceledException)
        {
            bool resumable = parsed.CommandResult.Command.Options.Any(option => option.Name == "--resume");
            return Fail("stopped before the end; nothing unfinished looks finished", resumable ? "run the same command with --resume to go on where it stopped" : "run the same command again");
        }
        catch (Exception failure) when (TorchRuntime.Explain(failure) is { } explained)
        {
            return Fail(explained.Message, explained.Hint);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Fail(failure.Message, "check that the path it names exists, that you may read or write it, and that the disk is not full");
        }
        catch (Exception bug)
        {
            await Console.Error.WriteLineAsync($"error: this is a bug: {bug}");
            await Console.Error.WriteLineAsync("hint:  please report it with the command and the text above");
            return BugExit;
        }
    }

    /// <summary>The whole command tree.</summary>
    public static Command Root()
    {
        var help = new HelpOption();
        help.Action = new HelpWithExample((HelpAction)help.Action!);
        // Not the library's RootCommand, which takes its name from the file that happens to run.
        var root = new ToolCommand(
            "monosemantic",
            "Opens up language models: dump activations, train sparse autoencoders, see what each feature means.",
            "monosemantic demo --out activations/demo") { help, new VersionOption() };
        foreach (Func<Command> create in Commands) root.Subcommands.Add(create());
        return root;
    }

    // The first signal asks the work to stop where it can be resumed; a second one ends the process at once.
    private static PosixSignalRegistration StopOn(PosixSignal signal, CancellationTokenSource stop) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = !stop.IsCancellationRequested;
        stop.Cancel();
    });

    private static string HintFor(ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        IEnumerable<string> known = command.Subcommands.Select(sub => sub.Name).Concat(command.Options.Select(option => option.Name));
        string? meant = parsed.UnmatchedTokens.Select(token => Suggestion.Nearest(token, known)).FirstOrDefault(name => name is not null);
        return meant is null ? "add --help to see what the command takes" : $"did you mean {meant}? Add --help to see what the command takes";
    }

    private static int Fail(string message, string hint)
    {
        // One line each, whatever the message brought along.
        Console.Error.WriteLine($"error: {string.Join(' ', message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))}");
        Console.Error.WriteLine($"hint:  {hint}");
        return UserErrorExit;
    }
}

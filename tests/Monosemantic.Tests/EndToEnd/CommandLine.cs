using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>What a finished command left: its exit code and both outputs.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Error);

/// <summary>The built command line, run as users run it: another process, in a folder of its own.</summary>
internal static class CommandLine
{
    private const int Interrupt = 2, Kill = 9, Continue = 18, Stop = 19;

    /// <summary>The program of the same configuration as the tests.</summary>
    internal static string Program { get; } = Path.Combine(
        Repository.Root, "src", "Monosemantic.Cli", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", "Monosemantic.Cli.dll");

    internal static Task<CommandResult> RunAsync(string folder, params string[] arguments) => RunAsync(Program, folder, arguments);

    internal static async Task<CommandResult> RunAsync(string program, string folder, string[] arguments, params (string Name, string Value)[] environment)
    {
        using Process process = Start(program, folder, arguments, environment);
        return await FinishAsync(process);
    }

    /// <summary>Starts a command and interrupts it, as Ctrl-C does, once the condition holds.</summary>
    internal static Task<CommandResult> InterruptAsync(string folder, Func<bool> when, params string[] arguments) => SignalAsync(Interrupt, folder, when, arguments);

    /// <summary>Starts a command and ends it, as kill -9 does, once the condition holds.</summary>
    internal static Task<CommandResult> KillAsync(string folder, Func<bool> when, params string[] arguments) => SignalAsync(Kill, folder, when, arguments);

    /// <summary>Stops a command before its end: anew where a busy machine noticed the condition only when all was done.</summary>
    /// <param name="output">The folder that it writes, deleted before it is started again.</param>
    /// <param name="stop">Starts the command and stops it.</param>
    internal static async Task<CommandResult> BeforeItsEndAsync(string output, Func<Task<CommandResult>> stop)
    {
        CommandResult result = await stop();
        for (int again = 0; result.ExitCode == 0 && again < 5; again++)
        {
            Directory.Delete(output, recursive: true);
            result = await stop();
        }
        return result;
    }

    private static async Task<CommandResult> SignalAsync(int signal, string folder, Func<bool> when, string[] arguments)
    {
        using Process process = Start(Program, folder, arguments);
        Task<CommandResult> finished = FinishAsync(process);
        while (!finished.IsCompleted && !when()) await Task.Delay(20, TestContext.Current.CancellationToken);
        if (!finished.IsCompleted) Assert.Equal(0, kill(process.Id, signal));
        return await finished;
    }

    /// <summary>Starts a command and kills it, as kill -9 does, some time after a condition holds; false where it ended before.</summary>
    internal static async Task<bool> KillAsync(string folder, Func<bool> when, TimeSpan after, params string[] arguments)
    {
        using Process process = Start(Program, folder, arguments);
        Task<CommandResult> finished = FinishAsync(process);
        while (!finished.IsCompleted && !when()) await Task.Delay(1, TestContext.Current.CancellationToken);
        await Task.WhenAny(finished, Task.Delay(after, TestContext.Current.CancellationToken));
        process.Kill();
        return (await finished).ExitCode == 128 + Kill;
    }

    /// <summary>Starts a command and does something else while it holds what it holds.</summary>
    internal static async Task<CommandResult> WhileRunningAsync(string folder, Func<bool> when, Func<Task> act, params string[] arguments)
    {
        using Process process = Start(Program, folder, arguments);
        Task<CommandResult> finished = FinishAsync(process);
        while (!finished.IsCompleted && !when()) await Task.Delay(1, TestContext.Current.CancellationToken);
        Assert.False(finished.IsCompleted, "the command ended before its time");
        // Held still meanwhile: on a quick machine it would be done before anything else has started.
        Assert.Equal(0, kill(process.Id, Stop));
        try
        {
            await act();
        }
        finally
        {
            _ = kill(process.Id, Continue);
        }
        return await finished;
    }

    private static Process Start(string program, string folder, string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", [program, .. arguments]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private static async Task<CommandResult> FinishAsync(Process process)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellation), error = process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        return new(process.ExitCode, await output, await error);
    }

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int kill(int process, int signal);
}

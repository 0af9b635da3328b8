using System.CommandLine;
using System.Runtime.InteropServices;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Commands;

/// <summary><c>doctor</c>: what was found on this machine and what was done to make libtorch load and run well.</summary>
internal static class DoctorCommand
{
    internal static Command Create()
    {
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("doctor", "Shows whether this machine can run everything, and what was done for it.", "monosemantic doctor") { json };
        command.SetAction(parsed => Run(parsed.GetValue(json)));
        return command;
    }

    private static int Run(bool json)
    {
        string? error = null, hint = null, version = null;
        try
        {
            version = TorchRuntime.Load();
        }
        catch (UserErrorException failure)
        {
            (error, hint) = (failure.Message, failure.Hint);
        }
        List<(string, string)> rows =
        [
            ("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}"),
            ("runtime", RuntimeInformation.FrameworkDescription),
            ("processors", Environment.ProcessorCount.ToString()),
            ("memory", $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1L << 30):F1} GiB"),
            .. TorchRuntime.Steps.Select(step => (step.Name, step.Outcome)),
            ("libtorch", version is null ? "does not load" : $"{version}, {TorchSharp.torch.get_num_threads()} threads"),
        ];
        if (json) Console.Out.Write(JsonFile.ToText(new { Ready = error is null, Error = error, Hint = hint, Findings = rows.Select(row => new { Name = row.Item1, Outcome = row.Item2 }) }));
        else Terminal.PrintTable(error is null ? "ready" : "not ready", rows);
        return error is null ? 0 : throw new UserErrorException(error, hint!);
    }
}

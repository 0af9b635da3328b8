using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Monosemantic.Cli;

/// <summary>A command whose help ends with an example to copy.</summary>
/// <param name="name">What the user types.</param>
/// <param name="summary">What it does, one or two sentences.</param>
/// <param name="example">A whole command line.</param>
internal sealed class ToolCommand(string name, string summary, string example) : Command(name, summary)
{
    internal string Example { get; } = example;
}

/// <summary>The library's help, followed by the command's example.</summary>
internal sealed class HelpWithExample(HelpAction help) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        int result = help.Invoke(parseResult);
        if (parseResult.CommandResult.Command is ToolCommand tool)
        {
            parseResult.InvocationConfiguration.Output.WriteLine($"Example:\n  {tool.Example}\n");
        }
        return result;
    }
}

using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Scripting;
using Microsoft.CodeAnalysis.Scripting;
using Microsoft.CodeAnalysis.Scripting.Hosting;
using Monosemantic.Runtime;

namespace Monosemantic.Cli.Notebooks;

/// <summary>What a cell can call without naming it, as in .NET Interactive.</summary>
public sealed class NotebookGlobals
{
    private readonly Action<object> show;

    internal NotebookGlobals(Action<object> show) => this.show = show;

    /// <summary>Shows a value below the cell.</summary>
    /// <param name="value">Any value.</param>
    /// <returns>The value.</returns>
#pragma warning disable IDE1006 // The name that notebooks use.
    public object display(object value)
#pragma warning restore IDE1006
    {
        ArgumentNullException.ThrowIfNull(value);
        show(value);
        return value;
    }
}

/// <summary>Why a cell stopped.</summary>
/// <param name="Line">The line in the cell, from 1; null where it is not known.</param>
/// <param name="Message">What happened.</param>
/// <param name="Hint">What to do.</param>
internal sealed record CellFailure(int? Line, string Message, string Hint);

/// <summary>Runs C# cells one after another, each with the variables of those before it. Not for several threads: it captures the console.</summary>
internal sealed class NotebookSession : IDisposable
{
    private static readonly string[] Imports = ["System", "System.IO", "System.Linq", "System.Text", "System.Collections.Generic", "System.Threading.Tasks"];
    private readonly InteractiveAssemblyLoader loader = new();
    private readonly ScriptOptions options;
    private readonly NotebookGlobals globals;
    private readonly List<NotebookOutput> outputs = [];
    private readonly StringWriter console = new() { NewLine = "\n" };
    private ScriptState<object>? state;

    /// <summary>Starts a session.</summary>
    /// <param name="folder">The notebook's folder, which <c>#r</c> with a relative path starts from.</param>
    internal NotebookSession(string folder)
    {
        globals = new NotebookGlobals(value => Show(value, result: false));
        options = ScriptOptions.Default
            .WithReferences(NotebookReferences.Framework())
            .WithMetadataResolver(new NotebookReferences(folder, loader))
            .WithImports(Imports)
            .WithOptimizationLevel(OptimizationLevel.Release);
    }

    /// <summary>A variable of the cells run so far.</summary>
    /// <param name="name">Its name.</param>
    internal object? this[string name] => state?.GetVariable(name)?.Value;

    /// <summary>Runs a cell.</summary>
    /// <param name="source">Its code.</param>
    /// <returns>What it showed, and why it stopped; null where it went to its end.</returns>
    internal async Task<(ImmutableArray<NotebookOutput> Outputs, CellFailure? Failure)> RunAsync(string source)
    {
        TextWriter before = Console.Out;
        outputs.Clear();
        Console.SetOut(console);
        CellFailure? failure = null;
        try
        {
            state = state is null ? await Start(source) : await state.ContinueWithAsync<object>(source, options);
            if (state.ReturnValue is { } value) Show(value, result: true);
        }
        catch (CompilationErrorException wrong)
        {
            Diagnostic first = wrong.Diagnostics.First(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
            failure = new(first.Location.GetLineSpan().StartLinePosition.Line + 1, $"{first.Id}: {first.GetMessage(System.Globalization.CultureInfo.InvariantCulture)}", "correct the cell; types of the library need #r \"Monosemantic.dll\" and a using line");
        }
        catch (UserErrorException wrong)
        {
            failure = new(null, wrong.Message, wrong.Hint);
        }
        catch (Exception thrown)
        {
            failure = new(null, $"{thrown.GetType().Name}: {thrown.Message}", "the cell's own code threw this");
        }
        finally
        {
            Console.SetOut(before);
            Flush();
        }
        return ([.. outputs], failure);
    }

    public void Dispose()
    {
        loader.Dispose();
        console.Dispose();
    }

    private Task<ScriptState<object>> Start(string source)
    {
        loader.RegisterDependency(typeof(NotebookGlobals).Assembly);
        return CSharpScript.Create<object>(source, options.AddReferences(typeof(NotebookGlobals).Assembly), typeof(NotebookGlobals), loader).RunAsync(globals);
    }

    private void Show(object value, bool result)
    {
        Flush();
        outputs.Add(NotebookOutput.Of(value, result));
    }

    private void Flush()
    {
        string text = console.ToString();
        if (text.Length == 0) return;
        outputs.Add(NotebookOutput.Printed(text));
        console.GetStringBuilder().Clear();
    }
}

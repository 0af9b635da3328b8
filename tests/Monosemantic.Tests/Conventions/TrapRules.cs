using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Monosemantic.Tests.Conventions;

/// <summary>Calls that compile and are wrong, and what must not get into the repository.</summary>
public static partial class TrapRules
{
    /// <summary>
    /// <c>t.sum(0)</c> binds the literal 0 to the overload that takes a number type and sums everything to a byte.
    /// </summary>
    public static IEnumerable<string> SumOfLiteralZero(SourceFile file) =>
        from call in Calls(file, "sum")
        where call.ArgumentList.Arguments is [{ NameColon: null, Expression: LiteralExpressionSyntax { Token: { Value: 0, Text: "0" } } }, ..]
        select file.At(call, "sum(0) sums over everything, as a byte: write sum(0L) or sum(dim: 0)");

    /// <summary><c>torch.matmul</c> aborts the process on shapes that do not fit; the others throw.</summary>
    public static IEnumerable<string> Matmul(SourceFile file) =>
        from call in Calls(file, "matmul")
        select file.At(call, "matmul aborts the process on a wrong shape: use mm, bmm, addmm or functional.linear");

    /// <summary>Nothing is left unwritten.</summary>
    public static IEnumerable<string> NotImplemented(SourceFile file) =>
        from name in file.Root.DescendantNodes().OfType<IdentifierNameSyntax>()
        where name.Identifier.Text == "NotImplementedException"
        select file.At(name, "NotImplementedException: write it or leave it out");

    /// <summary>The library returns what it has to say; only the command line prints.</summary>
    public static IEnumerable<string> Printing(SourceFile file) =>
        from access in file.Root.DescendantNodes().OfType<MemberAccessExpressionSyntax>()
        where access.Expression.ToString() is "Console" or "System.Console"
        where access.Name.Identifier.Text is "Write" or "WriteLine" or "Out" or "Error"
        select file.At(access, "the library never prints: report through IProgress or return it");

    /// <summary>No text file names a folder of somebody's machine.</summary>
    public static IEnumerable<string> MachinePaths(string path, string text) =>
        from line in text.Split('\n').Index()
        let found = MachinePath().Match(line.Item)
        where found.Success
        select $"{path}:{line.Index + 1}: a path of one machine: {found.Value}";

    /// <summary>Nothing switches off the compiler's demand that every public member is documented.</summary>
    public static IEnumerable<string> DocumentationSwitchedOff(string path, string text) =>
        from line in text.Split('\n').Index()
        where line.Item.Contains("CS1591", StringComparison.Ordinal) || DocumentationOff().IsMatch(line.Item)
        select $"{path}:{line.Index + 1}: public members must be documented: {line.Item.Trim()}";

    private static IEnumerable<InvocationExpressionSyntax> Calls(SourceFile file, string method) =>
        from call in file.Root.DescendantNodes().OfType<InvocationExpressionSyntax>()
        where Called(call.Expression) == method
        select call;

    private static string? Called(ExpressionSyntax expression) => expression switch
    {
        MemberAccessExpressionSyntax access => access.Name.Identifier.Text,
        MemberBindingExpressionSyntax binding => binding.Name.Identifier.Text,
        IdentifierNameSyntax name => name.Identifier.Text,
        _ => null,
    };

    // Absolute paths below the roots where people and build machines keep their files.
    [GeneratedRegex(@"(?<![\w.~$}-])/(work|tmp|home|root|Users)/[\w.-]+|\b[A-Z]:\\{1,2}(Users|work|temp)\b", RegexOptions.IgnoreCase)]
    private static partial Regex MachinePath();

    [GeneratedRegex(@"<GenerateDocumentationFile>\s*false", RegexOptions.IgnoreCase)]
    private static partial Regex DocumentationOff();
}

using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Monosemantic.Tests.Conventions;

/// <summary>How types, functions and files are shaped.</summary>
public static class ShapeRules
{
    /// <summary>Most lines of a file.</summary>
    public const int MaxFileLines = 400;

    /// <summary>Most lines of a function, from its first attribute or modifier to its last brace.</summary>
    public const int MaxFunctionLines = 60;

    private static readonly string[] EmptyNames = ["Utils", "Util", "Utilities", "Helper", "Helpers", "Manager", "Base", "Impl", "Common"];

    private static readonly string[] GeneratorAttributes = ["GeneratedRegex", "LibraryImport", "JsonSerializable", "LoggerMessage"];

    /// <summary>Every class and record class is abstract, sealed or static.</summary>
    public static IEnumerable<string> AbstractOrSealed(SourceFile file) =>
        from type in file.Root.DescendantNodes().OfType<TypeDeclarationSyntax>()
        where type is ClassDeclarationSyntax || type.IsKind(SyntaxKind.RecordDeclaration)
        where !type.Modifiers.Any(modifier => modifier.Kind() is SyntaxKind.AbstractKeyword or SyntaxKind.SealedKeyword or SyntaxKind.StaticKeyword)
        select file.At(type, $"class {type.Identifier.Text} is neither abstract nor sealed nor static");

    /// <summary>No function is longer than <see cref="MaxFunctionLines"/>; lambdas and local functions count in the one around them.</summary>
    public static IEnumerable<string> FunctionLength(SourceFile file) =>
        from function in file.Root.DescendantNodes().Where(IsFunction)
        let lines = Lines(function.Span, file)
        where lines > MaxFunctionLines
        select file.At(function, $"a function of {lines} lines; at most {MaxFunctionLines}");

    /// <summary>The statements of a program's entry file are one function too.</summary>
    public static IEnumerable<string> EntryPointLength(SourceFile file)
    {
        var statements = file.Root.ChildNodes().OfType<GlobalStatementSyntax>().ToList();
        int lines = statements.Count == 0 ? 0 : Lines(Microsoft.CodeAnalysis.Text.TextSpan.FromBounds(statements[0].SpanStart, statements[^1].Span.End), file);
        return lines > MaxFunctionLines ? [file.At(statements[0], $"an entry point of {lines} lines; at most {MaxFunctionLines}")] : [];
    }

    /// <summary>No file is longer than <see cref="MaxFileLines"/>.</summary>
    public static IEnumerable<string> FileLength(SourceFile file)
    {
        int lines = file.Text.AsSpan().TrimEnd('\n').Count('\n') + 1;
        return lines > MaxFileLines ? [file.At(lines, $"a file of {lines} lines; at most {MaxFileLines}")] : [];
    }

    /// <summary>No type has a name that says nothing.</summary>
    public static IEnumerable<string> TypeNames(SourceFile file) =>
        from type in file.Root.DescendantNodes().Where(node => node is BaseTypeDeclarationSyntax or DelegateDeclarationSyntax)
        let name = type is BaseTypeDeclarationSyntax declared ? declared.Identifier.Text : ((DelegateDeclarationSyntax)type).Identifier.Text
        from ending in EmptyNames
        where name.EndsWith(ending, StringComparison.Ordinal)
        select file.At(type, $"the name {name} says nothing: name what it does, or put it beside its only user");

    /// <summary>No partial type, except where a source generator writes the other part; no region.</summary>
    public static IEnumerable<string> OnePlaceForEachType(SourceFile file)
    {
        foreach (TypeDeclarationSyntax type in file.Root.DescendantNodes().OfType<TypeDeclarationSyntax>())
        {
            bool partial = type.Modifiers.Any(SyntaxKind.PartialKeyword);
            if (partial && !HasGeneratedPart(type)) yield return file.At(type, $"{type.Identifier.Text} is partial, but no source generator writes its other part");
        }
        foreach (SyntaxTrivia region in file.Root.DescendantTrivia(descendIntoTrivia: true).Where(trivia => trivia.IsKind(SyntaxKind.RegionDirectiveTrivia)))
        {
            yield return file.At(region.GetStructure()!, "a region: split the type instead");
        }
    }

    private static bool HasGeneratedPart(TypeDeclarationSyntax type) =>
        type.DescendantNodes().OfType<AttributeSyntax>().Any(attribute => GeneratorAttributes.Contains(attribute.Name.ToString()));

    private static bool IsFunction(SyntaxNode node) =>
        node is BaseMethodDeclarationSyntax or AccessorDeclarationSyntax or LocalFunctionStatementSyntax or AnonymousFunctionExpressionSyntax
        || node is PropertyDeclarationSyntax { ExpressionBody: not null };

    private static int Lines(Microsoft.CodeAnalysis.Text.TextSpan span, SourceFile file)
    {
        FileLinePositionSpan lines = file.Root.SyntaxTree.GetLineSpan(span);
        return lines.EndLinePosition.Line - lines.StartLinePosition.Line + 1;
    }
}

namespace Monosemantic.Tests.Conventions;

/// <summary>Every rule finds what it is for, at its line, and leaves its neighbour alone: a rule that cannot fail is no rule.</summary>
public sealed class ConventionRuleTests
{
    [Theory]
    [InlineData("src/Monosemantic/Text/A.cs", "using Monosemantic.Models;\nnamespace Monosemantic.Text;", "1: Text must not know Models")]
    [InlineData("src/Monosemantic/Models/A.cs", "using Monosemantic.Text;\nnamespace Monosemantic.Models;", null)]
    [InlineData("src/Monosemantic/Models/Families/A.cs", "using static Monosemantic.Features.B;\nnamespace Monosemantic.Models.Families;", "1: Models must not know Features")]
    [InlineData("src/Monosemantic/Training/A.cs", "using Monosemantic.Metrics;\nnamespace Monosemantic.Training;", "1: Training must not know Metrics")]
    [InlineData("src/Monosemantic/Reports/A.cs", "using Monosemantic.Cli;\nnamespace Monosemantic.Reports;", "1: Reports must not know Cli")]
    [InlineData("src/Monosemantic/Reports/A.cs", "using TorchSharp;\nnamespace Monosemantic.Reports;", "1: reports are made from plain data")]
    [InlineData("src/Monosemantic/Text/A.cs", "namespace Monosemantic.Text;\nclass A { Monosemantic.Features.B? b; }", "2: Text must not know Features")]
    [InlineData("src/Monosemantic/Text/A.cs", "namespace Monosemantic.Features;", "1: the namespace Monosemantic.Features is not that of the folder Text")]
    [InlineData("src/Monosemantic/Misc/A.cs", "namespace Monosemantic.Misc;", "1: the folder Misc has no place")]
    [InlineData("src/Monosemantic.Cli/Commands/A.cs", "using Monosemantic.Reports;\nnamespace Monosemantic.Cli.Commands;", null)]
    [InlineData("tests/Monosemantic.Tests/Text/A.cs", "using Monosemantic.Reports;", null)]
    public void Layer_order(string path, string text, string? expected) => Check(LayerRules.Order, path, text, expected);

    [Theory]
    [InlineData("class A;", "1: class A is neither")]
    [InlineData("sealed class A\n{\n    record B(int X);\n}", "3: class B is neither")]
    [InlineData("sealed class A; static class B; abstract record C; record struct D; struct E; interface F; enum G;", null)]
    public void Abstract_or_sealed(string text, string? expected) => Check(ShapeRules.AbstractOrSealed, "a.cs", text, expected);

    [Theory]
    [InlineData("static class A\n{\n/// <summary>Doc.</summary>\nstatic void F() {", 58, "}\n}", null)]
    [InlineData("static class A\n{\n/// <summary>Doc.</summary>\nstatic void F() {", 59, "}\n}", "4: a function of 61 lines; at most 60")]
    [InlineData("static class A { static A() {", 59, "} }", "1: a function of 61 lines")]
    [InlineData("static class A { static int P { get {", 59, "} } }", "1: a function of 61 lines")]
    [InlineData("static class A { static System.Action f = () => {", 59, "}; }", "1: a function of 61 lines")]
    public void Function_length(string head, int lines, string tail, string? expected) =>
        Check(ShapeRules.FunctionLength, "a.cs", $"{head}\n{Repeat(";\n", lines)}{tail}", expected);

    [Theory]
    [InlineData(60, null)]
    [InlineData(61, "1: an entry point of 61 lines")]
    public void Entry_point_length(int lines, string? expected) => Check(ShapeRules.EntryPointLength, "Program.cs", Repeat("F();\n", lines), expected);

    [Theory]
    [InlineData(400, null)]
    [InlineData(401, "401: a file of 401 lines; at most 400")]
    public void File_length(int lines, string? expected) => Check(ShapeRules.FileLength, "a.cs", Repeat("//\n", lines), expected);

    [Theory]
    [InlineData("static class TensorUtils;", "1: the name TensorUtils says nothing")]
    [InlineData("interface IStoreManager;", "1: the name IStoreManager says nothing")]
    [InlineData("enum Common { A }", "1: the name Common says nothing")]
    [InlineData("sealed class Database; sealed class Managers;", null)]
    public void Type_names(string text, string? expected) => Check(ShapeRules.TypeNames, "a.cs", text, expected);

    [Theory]
    [InlineData("sealed partial class A;", "1: A is partial")]
    [InlineData("static partial class A { [GeneratedRegex(\"a\")] static partial Regex B(); }", null)]
    [InlineData("static class A\n{\n#region b\n#endregion\n}", "3: a region")]
    public void One_place_for_each_type(string text, string? expected) => Check(ShapeRules.OnePlaceForEachType, "a.cs", text, expected);

    [Theory]
    [InlineData("var s = t.sum(0);", "1: sum(0)")]
    [InlineData("var s =\n  t?.sum(0, true);", "2: sum(0)")]
    [InlineData("_ = torch.sum(t); _ = t.sum(0L); _ = t.sum(dim: 0); _ = t.sum(1); _ = t.Sum(0);", null)]
    public void Sum_of_literal_zero(string text, string? expected) => Check(TrapRules.SumOfLiteralZero, "a.cs", text, expected);

    [Theory]
    [InlineData("var c = torch.matmul(a, b);", "1: matmul aborts")]
    [InlineData("var c = a.matmul(b);", "1: matmul aborts")]
    [InlineData("// matmul(a, b) aborts\nvar c = a.mm(b);", null)]
    public void Matmul(string text, string? expected) => Check(TrapRules.Matmul, "a.cs", text, expected);

    [Theory]
    [InlineData("throw new NotImplementedException();", "1: NotImplementedException")]
    [InlineData("throw new System.NotImplementedException();", "1: NotImplementedException")]
    [InlineData("throw new NotSupportedException(\"NotImplementedException\");", null)]
    public void Not_implemented(string text, string? expected) => Check(TrapRules.NotImplemented, "a.cs", text, expected);

    [Theory]
    [InlineData("Console.WriteLine(1);", "1: the library never prints")]
    [InlineData("System.Console.Error.Write(1);", "1: the library never prints")]
    [InlineData("using Stream s = Console.OpenStandardInput();", null)]
    public void Printing(string text, string? expected) => Check(TrapRules.Printing, "a.cs", text, expected);

    [Theory]
    [InlineData("see /", "home/me/notes.txt", "b.md:1: a path of one machine: /h")]
    [InlineData("a\ncd /", "tmp/x", "b.md:2: a path of one machine: /t")]
    [InlineData("\"C:\\\\", "Users\\\\me\"", "b.md:1: a path of one machine: C:\\\\Users")]
    [InlineData("$HOME/.nuget ~/code/a ${TMPDIR}", "/cache ${A}/tmp/a https://example.org/home/page frame", null)]
    public void Machine_paths(string start, string end, string? expected) =>
        Match(TrapRules.MachinePaths("b.md", start + end), expected);

    [Theory]
    [InlineData("<a/>\n<NoWarn>$(NoWarn);CS15", "91</NoWarn>", "b.csproj:2: public members")]
    [InlineData("<GenerateDocumentationFile>", "false</GenerateDocumentationFile>", "b.csproj:1: public members")]
    [InlineData("<GenerateDocumentationFile>", "true</GenerateDocumentationFile>", null)]
    public void Documentation_switched_off(string start, string end, string? expected) =>
        Match(TrapRules.DocumentationSwitchedOff("b.csproj", start + end), expected);

    private static string Repeat(string line, int times) => string.Concat(Enumerable.Repeat(line, times));

    private static void Check(Func<SourceFile, IEnumerable<string>> rule, string path, string text, string? expected) =>
        Match(rule(SourceFile.Parse(path, text)), expected is null ? null : $"{path}:{expected}");

    private static void Match(IEnumerable<string> found, string? expected)
    {
        if (expected is null) Assert.Empty(found);
        else Assert.StartsWith(expected, Assert.Single(found), StringComparison.Ordinal);
    }
}

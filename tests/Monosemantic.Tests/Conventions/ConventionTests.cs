namespace Monosemantic.Tests.Conventions;

/// <summary>The house rules, held against every file of the repository.</summary>
public sealed class ConventionTests
{
    private static readonly string[] NeedNoSealing = ["tests/Monosemantic.Benchmarks"];

    [Fact]
    public void Lower_layers_never_know_higher_ones() => Hold(LayerRules.Order, Sources());

    [Fact]
    public void Every_class_is_abstract_sealed_or_static() =>
        // BenchmarkDotNet derives from the classes it measures.
        Hold(ShapeRules.AbstractOrSealed, SourceTree.Files.Where(file => !NeedNoSealing.Any(file.IsUnder)));

    [Fact]
    public void No_function_is_longer_than_sixty_lines() =>
        Hold(file => ShapeRules.FunctionLength(file).Concat(ShapeRules.EntryPointLength(file)), SourceTree.Files);

    [Fact]
    public void No_file_is_longer_than_four_hundred_lines() => Hold(ShapeRules.FileLength, SourceTree.Files);

    [Fact]
    public void No_type_has_a_name_that_says_nothing() => Hold(ShapeRules.TypeNames, SourceTree.Files);

    [Fact]
    public void Every_type_is_in_one_place() => Hold(ShapeRules.OnePlaceForEachType, SourceTree.Files);

    [Fact]
    public void Nothing_sums_over_the_literal_zero() => Hold(TrapRules.SumOfLiteralZero, SourceTree.Files);

    [Fact]
    public void The_library_calls_no_matmul() => Hold(TrapRules.Matmul, Sources());

    [Fact]
    public void Nothing_is_left_unimplemented() => Hold(TrapRules.NotImplemented, SourceTree.Files);

    [Fact]
    public void The_library_never_prints() => Hold(TrapRules.Printing, SourceTree.Files.Where(file => file.IsUnder("src/Monosemantic")));

    [Fact]
    public void No_file_names_a_path_of_one_machine() =>
        Report(SourceTree.TextFiles().SelectMany(file => TrapRules.MachinePaths(file.Path, file.Text)));

    [Fact]
    public void Every_public_member_of_src_has_to_be_documented()
    {
        var files = SourceTree.TextFiles().Where(file => !file.Path.StartsWith("tests/", StringComparison.Ordinal) && IsBuildFile(file.Path)).ToList();
        Report(files.SelectMany(file => TrapRules.DocumentationSwitchedOff(file.Path, file.Text)));
        string shared = SourceTree.Read("Directory.Build.props");
        Assert.Contains("<GenerateDocumentationFile>true</GenerateDocumentationFile>", shared, StringComparison.Ordinal);
        Assert.Contains("<TreatWarningsAsErrors>true</TreatWarningsAsErrors>", shared, StringComparison.Ordinal);
    }

    [Fact]
    public void The_rules_see_the_whole_library()
    {
        string[] folders = [.. Sources().Select(file => Path.GetDirectoryName(file.Path)!.Replace('\\', '/')).Distinct()];
        foreach (string layer in new[] { "Runtime", "Text", "Activations", "Dictionaries", "Metrics", "Features" })
        {
            Assert.Contains($"src/Monosemantic/{layer}", folders);
        }
        Assert.Contains(SourceTree.Files, file => file.IsUnder("tests/Monosemantic.Tests"));
    }

    private static IEnumerable<SourceFile> Sources() => SourceTree.Files.Where(file => file.IsUnder("src"));

    private static bool IsBuildFile(string path) =>
        Path.GetExtension(path) is ".cs" or ".csproj" or ".props" or ".targets" or ".editorconfig";

    private static void Hold(Func<SourceFile, IEnumerable<string>> rule, IEnumerable<SourceFile> files) => Report(files.SelectMany(rule));

    private static void Report(IEnumerable<string> violations)
    {
        string[] found = [.. violations];
        Assert.True(found.Length == 0, $"{found.Length} places break this rule:\n{string.Join('\n', found)}");
    }
}

using System.Globalization;
using System.Text.Json.Nodes;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>What an extraction says beforehand, against what it takes; on the sample model.</summary>
[Trait("kind", "slow")]
public sealed class ExtractionPlanTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public ExtractionPlanTests() => File.WriteAllText(Path.Combine(folder, "text.txt"), TinyModel.Documents(800));

    private static string[] Extract(params string[] more) =>
        ["extract", "--model", Path.Combine(Repository.Root, "activations", "sample", "dotnet-docs-lm"), "--text", "text.txt", .. more];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("blocks.2.hook_resid_post", "f16", "128")]
    [InlineData("blocks.0.hook_resid_pre,blocks.3.mlp.hook_post,blocks.3.hook_resid_post", "f32", "64")]
    [InlineData("blocks.1.attn.hook_z", "int8", "16")]
    public async Task Rows_bytes_and_peak_memory_come_out_as_planned(string hooks, string dtype, string context)
    {
        string[] options = ["--hooks", hooks, "--dtype", dtype, "--context", context, "--rows", "25000"];
        CommandResult planned = await CommandLine.RunAsync(folder, Extract([.. options, "--plan", "--json"]));
        Assert.True(planned.ExitCode == 0, planned.Error);
        Assert.False(Directory.Exists(Path.Combine(folder, "store")));
        JsonNode plan = JsonNode.Parse(planned.Output)!;
        CommandResult nowhere = await CommandLine.RunAsync(folder, Extract(options));
        Assert.True(nowhere.ExitCode == 1 && nowhere.Error.Contains("--out is required", StringComparison.Ordinal), nowhere.Error);
        CommandResult done = await CommandLine.RunAsync(folder, Extract([.. options, "--out", "store"]));
        Assert.True(done.ExitCode == 0, done.Error);

        double bytes = Directory.GetFiles(Path.Combine(folder, "store"), "*", SearchOption.AllDirectories).Sum(file => (double)new FileInfo(file).Length);
        Assert.Equal(25000, (long)plan["rows"]!);
        Assert.InRange(bytes, 0.95 * (double)plan["bytes_on_disk"]!, 1.05 * (double)plan["bytes_on_disk"]!);
        double[] peaks = [.. done.Output.Split('\n').Where(line => line.TrimStart().StartsWith("peak memory", StringComparison.Ordinal)).Select(Megabytes)];
        Assert.True(peaks.Length == 2, done.Output);
        Assert.InRange(peaks[1], 0.85 * peaks[0], 1.15 * peaks[0]);
        Assert.InRange(peaks[1], 0.85e-6 * (double)plan["peak_memory_bytes"]!, 1.15e-6 * (double)plan["peak_memory_bytes"]!);
        Assert.True((double)plan["seconds"]! > 0 && (double)plan["rows_per_second"]! > 0, planned.Output);
        TestContext.Current.SendDiagnosticMessage($"{hooks}: peak {peaks[1]} MB of {peaks[0]} MB planned");
    }

    private static double Megabytes(string line) => double.Parse(line.Split("memory")[1].Replace("MB", "").Trim(), NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
}

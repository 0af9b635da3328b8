using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Tests.EndToEnd;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries;

public sealed class SaeEncodeRunTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_code_is_the_dense_activations_and_both_are_those_of_the_autoencoder()
    {
        using var scope = NewDisposeScope();
        using SparseAutoencoder sae = SparseAutoencoderTests.Random(dModel: 7, dSae: 60, k: 5);
        Tensor x = randn(5000, 7);
        SafetensorsWriter.Write(At("x"), [new("x", x.to(ScalarType.Float64))]);

        SaeEncodeSummary summary = SaeEncodeRun.Execute(sae, At("x"), At("y"), EncodedForm.DenseAndSparse);

        using SafetensorsFile y = SafetensorsFile.Open(At("y"));
        Tensor f = y.Read("feature_acts"), back = zeros(5000, 60);
        Assert.True(f.equal(sae.Encode(x)).all().item<bool>());
        Assert.True(y.Read("reconstruction").allclose(sae.Reconstruct(x), 1e-5, 1e-5));
        long[] offsets = y.Read("row_offsets").data<long>().ToArray();
        long[] rows = [.. Enumerable.Range(0, 5000).SelectMany(row => Enumerable.Repeat((long)row, (int)(offsets[row + 1] - offsets[row])))];
        back[tensor(rows), y.Read("features").to(ScalarType.Int64)] = y.Read("values");
        Assert.True(back.equal(f).all().item<bool>());
        Assert.Equal(f.ne(0).sum().item<long>() / 5000.0, summary.L0, 9);
        Assert.Equal((f.mm(sae.WDec) + sae.BDec - x).square().sum().item<float>() / (x - x.mean([0L])).square().sum().item<float>(), summary.Fvu!.Value, 3);
    }

    [Fact]
    public void Activations_that_are_no_numbers_are_counted_and_the_first_is_named()
    {
        using var scope = NewDisposeScope();
        using SparseAutoencoder sae = SparseAutoencoderTests.Random(dModel: 7, dSae: 60, k: 5);
        Tensor x = randn(30, 7);
        (x[11, 3], x[20, 1]) = (tensor(float.NaN), tensor(float.PositiveInfinity));
        SafetensorsWriter.Write(At("x"), [new("x", x)]);

        string message = Assert.Throws<UserErrorException>(() => SaeEncodeRun.Execute(sae, At("x"), At("y"), EncodedForm.Dense)).Message;
        Assert.Contains("2 of the activations", message);
        Assert.Contains("[11, 3]", message);
        Assert.False(File.Exists(At("y")));
    }

    [Fact]
    public async Task The_commands_encode_convert_verify_and_describe()
    {
        using var scope = NewDisposeScope();
        string source = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "saes", "saelens", "topk_plain", "inference");
        SafetensorsWriter.Write(At("x"), [new("x", randn(9, 16))]);

        CommandResult encoded = await CommandLine.RunAsync(folder, "sae", "encode", "--sae", source, "--input", "x.safetensors", "--out", "y.safetensors", "--sparse");
        CommandResult converted = await CommandLine.RunAsync(folder, "sae", "convert", source, "--to", "dictionary_learning", "--out", "converted", "--json");
        CommandResult verified = await CommandLine.RunAsync(folder, "sae", "verify", "converted");
        CommandResult described = await CommandLine.RunAsync(folder, "sae", "info", source);
        CommandResult refused = await CommandLine.RunAsync(folder, "sae", "convert", source, "--to", "gemma_scope", "--out", "other");

        foreach (CommandResult result in new[] { encoded, converted, verified, described }) Assert.True(result.ExitCode == 0, result.Error);
        using SafetensorsFile y = SafetensorsFile.Open(At("y"));
        Assert.Equal([9, 64], y.Entry("feature_acts").Shape);
        Assert.Equal([9, 16], y.Entry("reconstruction").Shape);
        Assert.Contains("feature_acts_error", converted.Output);
        Assert.Contains("blocks.1.hook_resid_pre", described.Output);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("hint:", refused.Error);
    }

    private string At(string name) => Path.Combine(folder, $"{name}.safetensors");
}

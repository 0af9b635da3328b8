using System.Text.Json;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Tests.Models;
using static TorchSharp.torch;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>The commands about models, as users run them.</summary>
[Trait("kind", "slow")]
public sealed class ModelCommandTests : IDisposable
{
    private static readonly string Fixtures = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "models");
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Forward_writes_what_the_reference_recorded()
    {
        string model = Path.Combine(Fixtures, "qwen2"), recorded = Path.Combine(model, "expected.safetensors"), file = Path.Combine(folder, "out.safetensors");
        CommandResult result = await CommandLine.RunAsync(folder, "forward", "--model", model, "--tokens", recorded, "--hooks", "blocks.0.hook_resid_pre,blocks.1.attn.hook_z", "--logits", "--out", file, "--json");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        using var scope = NewDisposeScope();
        using SafetensorsFile expected = SafetensorsFile.Open(recorded), actual = SafetensorsFile.Open(file);
        Assert.Equal(["blocks.0.hook_resid_pre", "blocks.1.attn.hook_z", "logits", "loss_per_token"], actual.Header.Entries.Select(entry => entry.Name).Order(StringComparer.Ordinal));
        foreach (SafetensorsEntry entry in actual.Header.Entries)
        {
            (Tensor wanted, Tensor given) = (expected.Read(entry.Name), actual.Read(entry.Name));
            Assert.Equal(wanted.shape, given.shape);
            Assert.True((wanted - given).abs().max().item<float>() <= 2e-5f * wanted.abs().max().item<float>(), entry.Name);
        }
        Assert.Equal(expected.Read("loss_per_token").mean().item<float>(), JsonDocument.Parse(result.Output).RootElement.GetProperty("mean_loss").GetDouble(), 1e-4);
    }

    [Theory]
    [InlineData("blocks.0.hook_resid_md", "is not a hook point", "did you mean blocks.0.hook_resid_mid?")]
    [InlineData("blocks.0.hook_resid_mid", "read the same residual stream", "blocks.0.hook_resid_pre")]
    [InlineData("blocks.9.hook_resid_pre", "it has blocks 0..", "blocks.0.hook_resid_pre")]
    public async Task A_point_that_is_not_there_is_one_error_and_one_hint_and_no_file(string point, string error, string hint)
    {
        string model = Path.Combine(Fixtures, "gpt_neox"), file = Path.Combine(folder, "out.safetensors");
        CommandResult result = await CommandLine.RunAsync(folder, "forward", "--model", model, "--tokens", Path.Combine(model, "expected.safetensors"), "--hooks", point, "--out", file);
        Assert.Equal(1, result.ExitCode);
        string[] lines = result.Error.TrimEnd().Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.Contains(error, lines[0]);
        Assert.Contains(hint, lines[1]);
        Assert.False(File.Exists(file));
    }

    [Fact]
    public async Task Damaged_weights_are_named_by_every_command_that_reads_them()
    {
        ModelCase one = ModelCases.All.Single(one => one.Name == "gpt2");
        one.Write(folder);
        using (NewDisposeScope())
        {
            Dictionary<string, Tensor> weights = one.Weights();
            weights["transformer.h.0.ln_1.bias"][2] = float.NaN;
            SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), weights);
            SafetensorsWriter.Write(Path.Combine(folder, "ids.safetensors"), [new("input_ids", zeros(1, 4, dtype: ScalarType.Int64))]);
        }
        foreach (string[] command in new string[][] { ["model", "info", folder], ["forward", "--model", folder, "--tokens", "ids.safetensors", "--out", "out.safetensors"] })
        {
            CommandResult result = await CommandLine.RunAsync(folder, command);
            Assert.Equal(0, result.ExitCode);
            Assert.Contains("warning:", result.Error);
            Assert.Contains("transformer.h.0.ln_1.bias holds 1 number", result.Error);
        }
    }

    [Fact]
    public async Task Model_info_says_what_a_pass_will_have()
    {
        CommandResult result = await CommandLine.RunAsync(folder, "model", "info", Path.Combine(Fixtures, "llama"), "--json");
        Assert.Equal(0, result.ExitCode);
        JsonElement info = JsonDocument.Parse(result.Output).RootElement;
        TransformerConfig config = Transformer.Shape(Path.Combine(Fixtures, "llama"));
        Assert.Equal("llama", info.GetProperty("config").GetProperty("family").GetString());
        Assert.Equal(config.DModel, info.GetProperty("config").GetProperty("d_model").GetInt32());
        Assert.Equal(4 * info.GetProperty("parameters").GetInt64(), info.GetProperty("memory").GetProperty("weights").GetInt64());
        Dictionary<string, string> points = info.GetProperty("hook_points").EnumerateArray().ToDictionary(point => point.GetProperty("name").GetString()!, point => point.GetProperty("shape").GetString()!);
        Assert.Equal($"[b, t, {config.KeyValueHeads}, {config.DHead}]", points["blocks.0.attn.hook_k"]);
    }

    [Fact]
    public async Task Generate_continues_a_text_with_the_tokenizer_beside_the_weights()
    {
        string model = SharedData.Require("stories260K", "stories260K.bin");
        string[] likeliest = ["generate", "--model", model, "--prompt", "Once upon a time", "--tokens", "40", "--temperature", "0"], drawn = ["generate", "--model", model, "--prompt", "Once upon a time", "--tokens", "40", "--temperature", "1", "--top-p", "0.9", "--seed", "5"];
        CommandResult first = await CommandLine.RunAsync(folder, likeliest);
        Assert.Equal((0, ""), (first.ExitCode, first.Error));
        Assert.StartsWith("Once upon a time, there was a little girl named Lily.", first.Output);
        (CommandResult once, CommandResult again) = (await CommandLine.RunAsync(folder, drawn), await CommandLine.RunAsync(folder, [.. drawn, "--tokenizer", SharedData.Require("stories260K", "tok512.bin")]));
        Assert.Equal(once.Output, again.Output);
        Assert.NotEqual(first.Output, once.Output);
    }
}

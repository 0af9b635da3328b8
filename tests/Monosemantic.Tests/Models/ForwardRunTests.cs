using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

public sealed class ForwardRunTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("forward").FullName;

    private static string Model => Path.Combine(Repository.FixtureRoots("models").First(), "gpt2");

    [Fact]
    public void The_file_holds_what_a_pass_over_all_sequences_gives()
    {
        using Transformer model = Transformer.Load(Model);
        string ids = WriteIds(tensor(new long[] { 5, 4, 3, 2, 1, 0, 9, 8, 7, 6, 5, 4, 1, 2, 3 }).view(5, 3)), output = Path.Combine(folder, "out.safetensors");
        var config = new ForwardConfig { Tokens = ids, Hooks = ["blocks.0.hook_resid_pre", "blocks.1.attn.hook_z"], Logits = true, Batch = 2 };

        ForwardSummary summary = ForwardRun.Execute(model, config, output, cancellation: TestContext.Current.CancellationToken);

        using var scope = NewDisposeScope();
        using SafetensorsFile file = SafetensorsFile.Open(output);
        using SafetensorsFile given = SafetensorsFile.Open(ids);
        var seen = new Dictionary<string, Tensor>();
        Tensor tokens = given.Read(ForwardRun.TokensKey), logits = model.Forward(tokens, (at, value) => seen[at.ToString()] = value.alias().DetachFromDisposeScope(), HookPoint.Parse("blocks.0.hook_resid_pre"), HookPoint.Parse("blocks.1.attn.hook_z"));
        seen["logits"] = logits;
        seen["loss_per_token"] = Transformer.LossPerToken(logits, tokens);
        Assert.Equal(seen.Keys.Order(), file.Header.Entries.Select(entry => entry.Name).Order());
        foreach ((string name, Tensor expected) in seen)
        {
            Tensor actual = file.Read(name);
            Assert.Equal(expected.shape, actual.shape);
            Assert.True((expected - actual).abs().max().item<float>() <= 1e-5 * expected.abs().max().item<float>(), name);
            expected.Dispose();
        }
        Assert.Equal(5, summary.Sequences);
        Assert.True(double.IsFinite(summary.MeanLoss!.Value));
    }

    [Fact]
    public void Ids_of_another_type_or_shape_are_refused()
    {
        using Transformer model = Transformer.Load(Model);
        var config = new ForwardConfig { Tokens = WriteIds(zeros(2, 3)) };

        UserErrorException error = Assert.Throws<UserErrorException>(() => ForwardRun.Execute(model, config, Path.Combine(folder, "out.safetensors"), cancellation: TestContext.Current.CancellationToken));

        Assert.Contains("F32 [2, 3]", error.Message);
        Assert.False(File.Exists(Path.Combine(folder, "out.safetensors")));
    }

    [Theory]
    [InlineData(1, 99_999, "token id 99999 is outside")]
    [InlineData(1, -1, "token id -1 is outside")]
    [InlineData(4096, 0, "a context of 4096 tokens is too long")]
    public void Ids_that_the_model_cannot_read_are_refused_with_their_file_and_key(int length, int id, string what)
    {
        using Transformer model = Transformer.Load(Model);
        var config = new ForwardConfig { Tokens = WriteIds(full([3, length], (long)id, dtype: ScalarType.Int64)) };

        UserErrorException error = Assert.Throws<UserErrorException>(() => ForwardRun.Execute(model, config, Path.Combine(folder, "out.safetensors"), cancellation: TestContext.Current.CancellationToken));

        Assert.StartsWith($"{config.Tokens}: input_ids: {what}", error.Message);
        Assert.False(File.Exists(Path.Combine(folder, "out.safetensors")));
    }

    [Fact]
    public void A_point_the_model_lacks_is_refused_before_anything_runs()
    {
        using Transformer model = Transformer.Load(Model);
        var config = new ForwardConfig { Tokens = Path.Combine(folder, "absent.safetensors"), Hooks = ["blocks.99.hook_resid_pre"] };

        Assert.Contains("blocks.99", Assert.Throws<UserErrorException>(() => ForwardRun.Execute(model, config, "unused", cancellation: TestContext.Current.CancellationToken)).Message);
    }

    private string WriteIds(Tensor tokens)
    {
        string path = Path.Combine(folder, "ids.safetensors");
        SafetensorsWriter.Write(path, [new(ForwardRun.TokensKey, tokens)]);
        tokens.Dispose();
        return path;
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}

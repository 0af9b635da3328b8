using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Monosemantic.Activations;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>What is done to activation stores from the command line, on a tiny model.</summary>
[Trait("kind", "slow")]
public sealed class StoreCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public StoreCommandTests()
    {
        string text = TinyModel.Documents(150);
        File.WriteAllText(In("text.txt"), text);
        File.WriteAllText(In("other.txt"), TinyModel.Documents(20, words: 40));
        TinyModel.Write(In("model"), text);
    }

    private static string[] Extract(string output, string hooks, params string[] more) =>
        ["extract", "--model", "model", "--text", "text.txt", "--hooks", hooks, "--context", "32", "--out", output, .. more];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Stores_are_described_sampled_merged_and_damage_is_named()
    {
        await Succeed(Extract("both", "blocks.0.hook_resid_pre,blocks.1.hook_resid_post", "--rows", "1500"));
        await Succeed("extract", "--model", "model", "--text", "other.txt", "--hooks", "blocks.1.hook_resid_post", "--context", "32", "--out", "other");
        string store = Path.Combine("both", "blocks.1.hook_resid_post");
        JsonNode info = Json(await Succeed("store", "info", store, "--json"));
        Assert.Equal((1500, 16, "f16", "blocks.1.hook_resid_post"), ((int)info["rows"]!, (int)info["plan"]!["d_model"]!, (string)info["plan"]!["dtype"]!, (string)info["plan"]!["hook_point"]!));
        Assert.Equal(2, Json(await Succeed("store", "info", "both", "--json")).AsArray().Count);
        Assert.Contains("1,500", (await Succeed("store", "info", store)).Output, StringComparison.Ordinal);
        JsonArray rows = Json(await Succeed("store", "sample", store, "--rows", "7", "--seed", "3", "--json")).AsArray();
        Assert.Equal((7, 16), (rows.Count, rows[0]!["values"]!.AsArray().Count));
        Assert.All(rows, row => Assert.False(string.IsNullOrEmpty((string?)row!["text"])));
        JsonNode merged = Json(await Succeed("store", "merge", store, "other", "--out", "merged", "--json"));
        Assert.Equal(1500 + (int)Json(await Succeed("store", "info", "other", "--json"))["rows"]!, (int)merged["rows"]!);
        Assert.True((bool)Json(await Succeed("store", "verify", "merged", "--json"))["whole"]!);

        await Fail("differ in hook_point", "store", "merge", "both/blocks.0.hook_resid_pre", "other", "--out", "wrong");
        await Fail("at least two", "store", "merge", "other", "--out", "wrong");
        await Fail("does not exist", "store", "info", "nowhere");
        byte[] bytes = await File.ReadAllBytesAsync(In("both", "blocks.1.hook_resid_post", "shard-00001.safetensors"), TestContext.Current.CancellationToken);
        bytes[^5] ^= 1;
        await File.WriteAllBytesAsync(In("both", "blocks.1.hook_resid_post", "shard-00001.safetensors"), bytes, TestContext.Current.CancellationToken);
        await Fail("blocks.1.hook_resid_post: shard-00001.safetensors was changed", "store", "verify", "both");
        JsonNode problems = Json(await Run(1, "store", "verify", store, "--json"));
        Assert.Contains("shard-00001.safetensors", (string)problems["problems"]![0]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_head_of_a_point_that_has_heads_is_a_slice_of_all()
    {
        await Succeed(Extract("all", "blocks.1.attn.hook_z", "--dtype", "f32", "--rows", "800"));
        await Succeed(Extract("one", "blocks.1.attn.hook_z", "--dtype", "f32", "--rows", "800", "--per-head", "1"));
        using ActivationStore all = ActivationStore.Open(In("all")), one = ActivationStore.Open(In("one"));
        Assert.Equal((new HeadStructure(2, 8, null), new HeadStructure(2, 8, 1), 8), (all.Plan.Heads, one.Plan.Heads, one.DModel));
        ActivationBatch whole = all.Read(800).Single(), head = one.Read(800).Single();
        for (int row = 0; row < 800; row++) Assert.True(whole.Row(row)[8..].SequenceEqual(head.Row(row)));
        await Fail("one point twice", Extract("bad", "blocks.1.hook_resid_post,resid_post1"));
        await Fail("heads 0..1", Extract("bad", "blocks.1.attn.hook_z", "--per-head", "2"));
        await Fail("has no heads", Extract("bad", "blocks.1.hook_resid_post", "--per-head", "0"));
    }

    [Fact]
    public async Task Foreign_activations_become_a_store_that_can_be_trained_on()
    {
        using torch.Tensor x = torch.randn([4000, 24]);
        NumpyWriter.WriteArchive(In("x.npz"), [new("acts", x), new("token_ids", torch.arange(4000L) % 300)]);
        JsonNode manifest = Json(await Succeed("import", "activations", "x.npz", "--model", "gpt2", "--hook", "blocks.5.hook_resid_post", "--tokenizer", "model", "--out", "imported", "--json"));
        Assert.Equal((4000, "gpt2", "f32"), ((int)manifest["rows"]!, (string)manifest["plan"]!["model"]!["name"]!, (string)manifest["plan"]!["dtype"]!));
        await Succeed("train", "--activations", "imported", "--out", "sae", "--set", "d_sae=48", "--set", "k=4", "--set", "batch=256", "--set", "tokens=8000");
        await Succeed("eval", "--sae", "sae", "--activations", "imported");
        Assert.Contains("does not exist", (await Run(1, "import", "activations", "nothing.npy", "--out", "wrong")).Error, StringComparison.Ordinal);
        await Fail("already holds", "import", "activations", "x.npz", "--out", "imported");
        await Fail("neither in", "import", "activations", "x.npz", "--documents", "nowhere", "--out", "wrong");
        Assert.False(Directory.Exists(In("wrong")));
    }

    [Fact]
    public async Task What_does_not_fit_on_the_disk_is_refused_before_it_begins()
    {
        string disk = Directory.CreateDirectory(In("disk")).FullName;
        Assert.SkipUnless(Environment.IsPrivilegedProcess && Mount(disk), "a small disk can only be mounted as root");
        try
        {
            await Fail("cannot hold it", Extract("disk/store", "blocks.1.hook_resid_post", "--dtype", "f32"));
            Assert.False(Directory.Exists(In("disk", "store")));
            JsonNode plan = Json(await Succeed(Extract("disk/store", "blocks.1.hook_resid_post", "--dtype", "f32", "--plan", "--json")));
            Assert.True((long)plan["bytes_on_disk"]! > (long)plan["bytes_free"]!, plan.ToJsonString());
            NumpyWriter.WriteArray(In("x.npy"), torch.zeros([4000, 24]));
            await Fail("cannot hold it", "import", "activations", "x.npy", "--out", "disk/imported");
        }
        finally
        {
            using var unmount = Process.Start("umount", [disk]);
            await unmount.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }

    private static bool Mount(string disk)
    {
        using var mount = Process.Start("mount", ["-t", "tmpfs", "-o", string.Create(CultureInfo.InvariantCulture, $"size={256 << 10}"), "tmpfs", disk]);
        mount.WaitForExit();
        return mount.ExitCode == 0;
    }

    private string In(params string[] path) => Path.Combine([folder, .. path]);

    private static JsonNode Json(CommandResult result) => JsonNode.Parse(result.Output)!;

    private Task<CommandResult> Succeed(params string[] arguments) => Run(0, arguments);

    private async Task<CommandResult> Run(int exit, params string[] arguments)
    {
        CommandResult result = await CommandLine.RunAsync(folder, arguments);
        Assert.True(result.ExitCode == exit, $"{string.Join(' ', arguments)}: exit {result.ExitCode}: {result.Error}");
        return result;
    }

    private async Task Fail(string named, params string[] arguments)
    {
        string[] lines = [.. (await Run(1, arguments)).Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).SkipWhile(line => !line.StartsWith("error:", StringComparison.Ordinal))];
        Assert.True(lines is [_, var hint] && hint.StartsWith("hint:", StringComparison.Ordinal), string.Join('\n', lines));
        Assert.Contains(named, lines[0], StringComparison.Ordinal);
    }
}

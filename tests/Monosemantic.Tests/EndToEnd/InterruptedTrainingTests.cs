using Monosemantic.Runtime;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>Trainings that are killed, as kill -9 does, and resumed, end in the same bytes as those that were not.</summary>
[Trait("kind", "slow")]
public sealed class InterruptedTrainingTests : IDisposable
{
    private static readonly string[] Settings = ["--set", "d_sae=512", "--set", "batch=128", "--set", "steps=1500", "--set", "checkpoint_every=40", "--set", "log_every=10", "--set", "dead_after_tokens=5000"];
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public InterruptedTrainingTests()
    {
        string text = TinyModel.Documents(200);
        File.WriteAllText(Path.Combine(folder, "text.txt"), text);
        TinyModel.Write(Path.Combine(folder, "model"), text);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Twenty_kills_at_random_moments_change_no_byte()
    {
        await Succeed("extract", "--model", "model", "--text", "text.txt", "--hooks", "blocks.1.hook_resid_post", "--context", "32", "--out", "store");
        var random = new SeededRandom(Environment.TickCount64);
        string[][] architectures = [["topk", "k=8"], ["batch_topk", "k=8"], ["jumprelu", "sparsity.coefficient=0.01"], ["gated", "sparsity.coefficient=0.1"]];
        foreach (string[] architecture in architectures)
        {
            string[] Train(string output, params string[] more) => ["train", "--activations", "store", "--out", output, .. Settings, "--set", $"architecture={architecture[0]}", "--set", architecture[1], "--json", .. more];
            string whole = $"{architecture[0]}-whole", killed = $"{architecture[0]}-killed";
            await Succeed(Train(whole));
            for (int kills = 0; kills < 5;)
            {
                // Once training goes on: at its first new checkpoint or a little later.
                string? before = Newest(killed);
                if (await CommandLine.KillAsync(folder, () => Newest(killed) != before, TimeSpan.FromMilliseconds(random.Next(250)), Train(killed, "--resume"))) kills++;
                else if (File.Exists(Path.Combine(folder, killed, "sae.json"))) Directory.Delete(Path.Combine(folder, killed), recursive: true);
            }
            await Succeed(Train(killed, "--resume"));
            foreach (string file in new[] { "sae.json", "sae.safetensors", "log.jsonl" }) Assert.Equal(Hashing.OfFile(Path.Combine(folder, whole, file)), Hashing.OfFile(Path.Combine(folder, killed, file)));
        }
    }

    private string? Newest(string run) => Directory.Exists(Path.Combine(folder, run)) ? Directory.GetDirectories(Path.Combine(folder, run), "checkpoint-*").Max() : null;

    private async Task<CommandResult> Succeed(params string[] arguments)
    {
        CommandResult result = await CommandLine.RunAsync(folder, arguments);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}: {result.Error}");
        return result;
    }
}

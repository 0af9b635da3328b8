using System.Diagnostics;
using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Tests.Activations;

namespace Monosemantic.Tests.EndToEnd;

/// <summary>What can go wrong with an extraction from outside: killed, out of disk, in each other's way.</summary>
[Trait("kind", "slow")]
public sealed class InterruptedExtractionTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public InterruptedExtractionTests()
    {
        string text = TinyModel.Documents(1200);
        File.WriteAllText(Path.Combine(folder, "text.txt"), text);
        TinyModel.Write(Path.Combine(folder, "model"), text[..20_000]);
    }

    private static string[] Extract(string output, params string[] more) =>
        ["extract", "--model", "model", "--text", "text.txt", "--hooks", "blocks.1.hook_resid_post,blocks.0.mlp.hook_post", "--context", "32", "--set", "rows_per_shard=3000", "--exclude-outliers", "1.3", "--out", output, .. more];

    private string In(params string[] path) => Path.Combine([folder, .. path]);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Thirty_kills_at_random_moments_change_no_byte()
    {
        await Succeed(Extract("whole"));
        Dictionary<string, string> whole = SampleStore.Hashes(In("whole"));
        Assert.InRange(whole.Keys.Count(name => name.EndsWith(".safetensors", StringComparison.Ordinal)), 10, 1000);
        var random = new SeededRandom(Environment.TickCount64);
        for (int kills = 0, shards = 0; kills < 30;)
        {
            // Most in the middle of writing, some while the model loads.
            bool anytime = random.Next(6) == 0;
            bool killed = await CommandLine.KillAsync(folder, () => anytime || Files("store", "*.safetensors") + Files("store", "*.tmp") > shards, TimeSpan.FromMilliseconds(random.Next(anytime ? 1500 : 250)), Extract("store", "--resume", "--json"));
            shards = Files("store", "*.safetensors");
            if (killed) kills++;
            if (File.Exists(In("store", "blocks.1.hook_resid_post", "manifest.json")) && random.Next(2) == 0)
            {
                Directory.Delete(In("store"), recursive: true);
                shards = 0;
            }
        }
        await Succeed(Extract("store", "--resume"));
        Assert.Equal(whole, SampleStore.Hashes(In("store")));
    }

    [Fact]
    public async Task A_disk_that_fills_up_meanwhile_leaves_what_can_be_resumed()
    {
        string disk = Directory.CreateDirectory(In("disk")).FullName;
        Assert.SkipUnless(Mount("-t", "tmpfs", "-o", "size=24m", "tmpfs", disk), "a small disk can only be mounted as root");
        try
        {
            await Succeed(Extract("whole"));
            Dictionary<string, string> whole = SampleStore.Hashes(In("whole"));
            CommandResult full = await CommandLine.WhileRunningAsync(folder, () => Files("disk", "shard-00002.safetensors") > 0, () => FillAsync(disk), Extract("disk/store"));
            AssertError(full, "the disk is full while writing");
            Assert.Equal(0, Files("disk", "manifest.json"));
            Assert.Equal(0, Files("disk", "*.tmp"));
            File.Delete(Path.Combine(disk, "filler"));
            await Succeed(Extract("disk/store", "--resume"));
            Assert.Equal(whole, SampleStore.Hashes(Path.Combine(disk, "store")));
        }
        finally
        {
            Unmount(disk);
        }
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_is_said_at_once()
    {
        string disk = Directory.CreateDirectory(In("disk")).FullName;
        Assert.SkipUnless(Mount("-t", "tmpfs", "-o", "ro", "tmpfs", disk), "a read-only disk can only be mounted as root");
        try
        {
            AssertError(await CommandLine.RunAsync(folder, Extract("disk/store")), "disk/store");
            AssertError(await CommandLine.RunAsync(folder, Extract("disk")), "disk");
        }
        finally
        {
            Unmount(disk);
        }
    }

    [Fact]
    public async Task A_second_writer_is_refused_while_the_first_one_works()
    {
        CommandResult first = await CommandLine.WhileRunningAsync(folder, () => Files("store", ".lock") == 2, async () =>
        {
            AssertError(await CommandLine.RunAsync(folder, Extract("store", "--resume")), "another process is writing");
        }, Extract("store"));
        Assert.True(first.ExitCode == 0, first.Error);
        Assert.Empty(ActivationStore.Verify(In("store", "blocks.0.mlp.hook_post"), cancellation: TestContext.Current.CancellationToken));
    }

    private int Files(string name, string pattern) => Directory.Exists(In(name)) ? Directory.GetFiles(In(name), pattern, SearchOption.AllDirectories).Length : 0;

    // Until nothing fits any more.
    private static async Task FillAsync(string disk)
    {
        await using FileStream filler = File.Create(Path.Combine(disk, "filler"), 1);
        try
        {
            while (true)
            {
                filler.Write(new byte[4096]);
                filler.Flush();
            }
        }
        catch (IOException)
        {
            // This is what was wanted.
        }
    }

    private static bool Mount(params string[] arguments) => Environment.IsPrivilegedProcess && Run("mount", arguments);

    private static void Unmount(string disk) => Assert.True(Run("umount", disk));

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    private async Task Succeed(params string[] arguments)
    {
        CommandResult result = await CommandLine.RunAsync(folder, arguments);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}: {result.Error}");
    }

    private static void AssertError(CommandResult result, string named)
    {
        string[] lines = [.. result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).SkipWhile(line => !line.StartsWith("error:", StringComparison.Ordinal))];
        Assert.True(result.ExitCode == 1, $"exit {result.ExitCode}: {result.Error}");
        Assert.True(lines is [_, var hint] && hint.StartsWith("hint:", StringComparison.Ordinal), result.Error);
        Assert.Contains(named, lines[0], StringComparison.Ordinal);
    }
}

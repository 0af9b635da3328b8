using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Tests.Training;

public sealed class LanguageModelRunTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public LanguageModelRunTests()
    {
        var random = new SeededRandom(1);
        string[] words = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "dog"];
        IEnumerable<string> Document() => Enumerable.Range(0, 40).Select(_ => words[random.Next(words.Length)]);
        File.WriteAllText(Path.Combine(folder, "text.txt"), string.Join("\n\n", Enumerable.Range(0, 120).Select(_ => string.Join(' ', Document()))));
    }

    private LanguageModelConfig Config => new()
    {
        Text = [Path.Combine(folder, "text.txt")],
        Vocabulary = 280,
        Layers = 1,
        DModel = 16,
        Heads = 2,
        Context = 32,
        Batch = 4,
        Steps = 30,
        WarmupSteps = 5,
        LearningRate = 5e-3,
        HeldOutFraction = 0.1,
        EvaluationContexts = 4,
        EvaluateEvery = 10,
        CheckpointEvery = 4,
        SampleAt = [10],
    };

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Training_lowers_the_loss_and_makes_a_model_that_loads()
    {
        LanguageModelReport report = Run("a", Config);
        Assert.True(report.Curve[^1].HeldOut < report.Curve[0].HeldOut - 0.3, $"{report.Curve[0].HeldOut} -> {report.Curve[^1].HeldOut}");
        Assert.Equal([0, 10, 30], report.Samples.Select(sample => sample.Step));
        using var model = Transformer.Load(Path.Combine(folder, "a"));
        Assert.Equal(report.Parameters, model.Named.Values.Sum(tensor => tensor.numel()));
        Assert.Equal(["README.md", "config.json", "model.safetensors", "tokenizer.json", "training.json"],
            Directory.GetFiles(Path.Combine(folder, "a")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_same_seed_gives_the_same_files_and_another_seed_others()
    {
        Run("a", Config);
        Run("b", Config);
        Run("c", Config with { Seed = 1 });
        Assert.Equal(Contents("a"), Contents("b"));
        Assert.NotEqual(Contents("a")["model.safetensors"], Contents("c")["model.safetensors"]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(13)]
    [InlineData(29)]
    public void A_run_that_was_stopped_and_resumed_ends_with_the_same_bytes(int stopAfter)
    {
        Run("whole", Config);
        using var stop = new CancellationTokenSource();
        var progress = new StopAt(stopAfter, stop);
        Assert.ThrowsAny<OperationCanceledException>(() => new LanguageModelRun(Config, Path.Combine(folder, "stopped"), progress).Execute(resume: false, "", stop.Token));
        Assert.Throws<UserErrorException>(() => Transformer.Load(Path.Combine(folder, "stopped")));

        new LanguageModelRun(Config, Path.Combine(folder, "stopped"), null).Execute(resume: true, "", CancellationToken.None);

        Assert.Equal(Contents("whole"), Contents("stopped"));
    }

    [Fact]
    public void A_folder_that_holds_something_else_is_refused()
    {
        Run("a", Config);
        Assert.Throws<UserErrorException>(() => Run("a", Config));
        Directory.CreateDirectory(Path.Combine(folder, "b"));
        File.WriteAllText(Path.Combine(folder, "b", "precious.txt"), "mine");
        Assert.Throws<UserErrorException>(() => Run("b", Config));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(folder, "b", "precious.txt")));
    }

    [Fact]
    public void A_run_that_failed_before_its_first_checkpoint_leaves_the_folder_to_the_corrected_one()
    {
        Assert.Throws<UserErrorException>(() => Run("a", Config with { Batch = 100_000 }));
        Run("a", Config);
        Run("b", Config);
        Assert.Equal(Contents("b"), Contents("a"));
    }

    [Fact]
    public void Bad_settings_are_refused_all_at_once()
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => Run("a", Config with { Steps = 0, Heads = 3, LearningRate = -1 }));
        Assert.All(["steps", "d_model", "learning_rate"], key => Assert.Contains(key, error.Message));
        Assert.False(Directory.Exists(Path.Combine(folder, "a")));
    }

    private LanguageModelReport Run(string name, LanguageModelConfig config) =>
        new LanguageModelRun(config, Path.Combine(folder, name), null).Execute(resume: false, "", CancellationToken.None);

    // The model card names its folder; that name is the one thing that may differ.
    private Dictionary<string, string> Contents(string name) => Directory.GetFiles(Path.Combine(folder, name))
        .ToDictionary(path => Path.GetFileName(path), path => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(
            path.EndsWith(".md", StringComparison.Ordinal) ? System.Text.Encoding.UTF8.GetBytes(File.ReadAllText(path).Replace($"# {name}\n", "")) : File.ReadAllBytes(path))));

    private sealed class StopAt(int step, CancellationTokenSource stop) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            if (value.Stage == "train" && value.Done == step) stop.Cancel();
        }
    }
}

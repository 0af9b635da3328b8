using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Tests.Models;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

public sealed class LineLearningTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public LineLearningTests() => File.WriteAllText(TextPath, Verse(60));

    private string TextPath => Path.Combine(folder, "verse.txt");

    private LineLearningConfig Config => new()
    {
        Text = TextPath,
        Snapshots = [0, 2, 5],
        Prompt = "the cat sat",
        Lines = 2,
        Batch = 8,
        DModel = 16,
        FeedForward = 24,
        Positions = 60,
        LearningRate = 4e-3,
    };

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Pairs_are_lines_with_their_next_across_gaps_and_long_lines_are_cut()
    {
        File.WriteAllText(TextPath, "\uFEFFone\r\n\n  \ntwo two\n\t\nthree");
        LinePairs pairs = LinePairs.Read(TextPath, pairs: 0, positions: 5);
        Assert.Equal(2, pairs.Count);
        Assert.Equal(["one", "two t", "three"], pairs.Lines.Select(line => pairs.Vocabulary.Decode(line)));
        Assert.Equal(" ehnortw", pairs.Vocabulary.Text);
        Assert.Equal(10, pairs.Targets);
        LinePairs first = LinePairs.Read(TextPath, pairs: 1, positions: 1000);
        Assert.Equal(["one", "two two"], first.Lines.Select(line => first.Vocabulary.Decode(line)));
        Assert.Equal(pairs.Vocabulary.Text, first.Vocabulary.Text);
        // "two two": t, w, o twice each and one space.
        Assert.Equal(-(6 * Math.Log(2 / 7.0) + Math.Log(1 / 7.0)) / 7, first.FrequencyEntropy(), 12);
    }

    [Fact]
    public void An_iteration_goes_through_every_pair_once_in_an_order_of_its_own()
    {
        LinePairs pairs = LinePairs.Read(TextPath, 0, 1000);
        List<int[]> first = LineBatches.Of(pairs, 8, seed: 3, iteration: 1), again = LineBatches.Of(pairs, 8, seed: 3, iteration: 1), second = LineBatches.Of(pairs, 8, seed: 3, iteration: 2);
        Assert.Equal(Enumerable.Range(0, pairs.Count), first.SelectMany(batch => batch).Order());
        Assert.Equal(first, again);
        Assert.NotEqual(first.SelectMany(batch => batch), second.SelectMany(batch => batch));
        Assert.All(first, batch => Assert.InRange(batch.Length, 1, 8));
        double padded = first.Sum(batch => batch.Length * (double)batch.Max(pairs.Width)), needed = Enumerable.Range(0, pairs.Count).Sum(pairs.Width);
        Assert.InRange(padded / needed, 1, 1.2);
    }

    [Fact]
    public void Batches_of_very_long_lines_hold_fewer_of_them()
    {
        File.WriteAllLines(TextPath, Enumerable.Range(0, 20).Select(i => new string((char)('a' + i), 1000)));
        LinePairs pairs = LinePairs.Read(TextPath, 0, 1000);
        List<int[]> batches = LineBatches.Of(pairs, 16, 0, 1);
        Assert.All(batches, batch => Assert.InRange(batch.Length, 1, 4));
        Assert.Equal(Enumerable.Range(0, 19), batches.SelectMany(batch => batch).Order());
    }

    [Fact]
    public void The_loss_is_the_mean_cross_entropy_of_the_next_lines_characters_alone()
    {
        LinePairs pairs = LinePairs.Read(TextPath, 12, 60);
        using var learner = new LineLearner(Config with { Layers = 1 }, pairs);
        var oracle = new EncoderOracle(learner.Model);
        double sum = Enumerable.Range(0, pairs.Count).Sum(pair => oracle.Loss(pairs.Lines[pair], pairs.Lines[pair + 1]));
        Assert.Equal(sum / pairs.Targets, learner.Measure(CancellationToken.None), 5);
    }

    [Fact]
    public void Steps_are_those_of_libtorchs_adam_on_the_same_loss()
    {
        LinePairs pairs = LinePairs.Read(TextPath, 0, 60);
        LineLearningConfig config = Config with { Dropout = 0 };
        using var learner = new LineLearner(config, pairs);
        using var model = new SimpleTransformer(pairs.Vocabulary, config.Shape(), config.Seed);
        using var adam = optim.Adam(model.Named.Values, config.LearningRate);
        foreach (int[] batch in LineBatches.Of(pairs, config.Batch, config.Seed, 1))
        {
            (Tensor lines, Tensor next) = LineBatches.TokensOf(pairs, batch);
            adam.zero_grad();
            Tensor logits = model.Forward(lines).transpose(1, 2);
            using Tensor loss = nn.functional.cross_entropy(logits, next, ignore_index: pairs.Vocabulary.PaddingId);
            loss.backward();
            adam.step();
            (double sum, long targets) = learner.Advance(batch);
            Assert.Equal(loss.item<float>(), sum / targets, 4);
        }
        Assert.Equal(8, learner.Step);
        Assert.All(model.Named, pair => Assert.InRange((Felt(pair.Key, pair.Value) - Felt(pair.Key, learner.Model.Named[pair.Key])).abs().max().item<float>(), 0, 2e-5f));
    }

    [Fact]
    public void A_run_lowers_the_loss_and_leaves_what_it_promises()
    {
        LineLearningRecord record = Run("a", Config with { Snapshots = [12, 0, 3, 3] });
        Assert.Equal([0, 3, 12], record.Snapshots.Select(snapshot => snapshot.Iteration));
        Assert.Equal(Enumerable.Range(1, 12), record.Losses.Select(loss => loss.Iteration));
        Assert.True(record.Losses[^1].Loss < record.FrequencyLoss && record.FrequencyLoss < record.UniformLoss, $"{record.UntrainedLoss} -> {record.Losses[^1].Loss}, {record.FrequencyLoss}");
        Assert.Equal(Math.Log(record.Vocabulary.Length), record.UniformLoss, 12);
        Assert.All(record.Snapshots, snapshot =>
        {
            Assert.All(snapshot.Lines.Concat(snapshot.Drawn), line => Assert.Equal(11, line.Length));
            Assert.Equal([0, 1], snapshot.Maps.Select(map => map.Layer));
            Assert.All(snapshot.Maps, map => Assert.Equal((11, 24), (map.Activations.Length, map.Activations.Select(row => row.Length).Distinct().Single())));
        });
        Assert.Equal(["config.json", "losses.jsonl", "model.safetensors", "snapshots.json"], Directory.GetFiles(Path.Combine(folder, "a")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(record.Losses, File.ReadLines(Path.Combine(folder, "a", "losses.jsonl")).Select(line => JsonFile.Parse<IterationLoss>(System.Text.Encoding.UTF8.GetBytes(line), "losses")));
        Assert.Equal([0, 3, 12], JsonFile.Read<LineLearningConfig>(Path.Combine(folder, "a", "config.json")).Snapshots);
    }

    [Fact]
    public void The_last_snapshot_is_what_the_saved_model_does()
    {
        LineLearningRecord record = Run("a", Config);
        using SimpleTransformer model = SimpleTransformer.Load(Path.Combine(folder, "a", "model.safetensors"));
        LineLearningSnapshot last = record.Snapshots[^1];
        Assert.Equal(model.NextLine(Config.Prompt), last.Lines[0]);
        Assert.Equal(model.NextLine(last.Lines[0]), last.Lines[1]);
        SimpleTransformerTrace trace = model.Trace(model.Tokens(Config.Prompt));
        Assert.All(last.Maps, map => Assert.Equal(trace.Neurons[map.Layer].data<float>().ToArray(), map.Activations.SelectMany(row => row)));
    }

    [Fact]
    public void The_same_seed_gives_the_same_files_and_another_seed_others()
    {
        Run("a", Config);
        Run("b", Config);
        Run("c", Config with { Seed = 1 });
        Assert.Equal(Contents("a"), Contents("b"));
        Assert.NotEqual(Contents("a")["model.safetensors"], Contents("c")["model.safetensors"]);
        Assert.NotEqual(Contents("a")["losses.jsonl"], Contents("c")["losses.jsonl"]);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(59)]
    [InlineData(67)]
    [InlineData(118)]
    [InlineData(287)]
    public void A_run_that_was_stopped_and_resumed_ends_with_the_same_bytes(int stopAfter)
    {
        Run("whole", Config);
        using var stop = new CancellationTokenSource();
        string stopped = Path.Combine(folder, "stopped");
        Assert.ThrowsAny<OperationCanceledException>(() => new LineLearningRun(Config, stopped, new StopAt(stopAfter, stop)).Execute(resume: false, stop.Token));
        Assert.False(File.Exists(Path.Combine(stopped, "config.json")));
        Assert.Throws<UserErrorException>(() => Run("stopped", Config));
        Assert.Throws<UserErrorException>(() => new LineLearningRun(Config with { LearningRate = 1e-3 }, stopped, null).Execute(resume: true, CancellationToken.None));

        new LineLearningRun(Config, stopped, null).Execute(resume: true, CancellationToken.None);

        Assert.Equal(Contents("whole"), Contents("stopped"));
    }

    [Fact]
    public void A_resumed_run_refuses_a_text_that_has_changed()
    {
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => new LineLearningRun(Config, Path.Combine(folder, "a"), new StopAt(30, stop)).Execute(resume: false, stop.Token));
        File.AppendAllText(TextPath, "and a new line\n");
        UserErrorException error = Assert.Throws<UserErrorException>(() => new LineLearningRun(Config, Path.Combine(folder, "a"), null).Execute(resume: true, CancellationToken.None));
        Assert.Contains("is not the text", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_holds_something_else_is_refused_and_left_alone()
    {
        LineLearningRecord record = Run("a", Config);
        Assert.Contains("already holds a finished run", Assert.Throws<UserErrorException>(() => Run("a", Config)).Message, StringComparison.Ordinal);
        LineLearningRecord read = new LineLearningRun(Config, Path.Combine(folder, "a"), null).Execute(resume: true, CancellationToken.None);
        Assert.Equal(JsonFile.ToText(record), JsonFile.ToText(read));
        foreach (string name in new[] { "precious.txt", "config.json" })
        {
            string path = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, $"with-{name}")).FullName, name);
            File.WriteAllText(path, "mine");
            Assert.Throws<UserErrorException>(() => Run($"with-{name}", Config));
            Assert.Equal("mine", File.ReadAllText(path));
        }
        File.WriteAllText(Path.Combine(folder, "file"), "mine");
        Assert.Throws<UserErrorException>(() => Run("file", Config));
    }

    [Fact]
    public void Texts_and_prompts_that_cannot_be_used_are_refused_before_anything_is_made()
    {
        string Message(string text, LineLearningConfig config)
        {
            File.WriteAllText(TextPath, text);
            return Assert.Throws<UserErrorException>(() => Run("never", config)).Message;
        }
        Assert.Contains("is empty", Message("", Config), StringComparison.Ordinal);
        Assert.Contains("is empty", Message("\n \n\t\n", Config), StringComparison.Ordinal);
        Assert.Contains("one line only", Message("the cat sat on\n\n", Config), StringComparison.Ordinal);
        Assert.Contains("'?' (U+003F)", Message("the cat\nsat\n", Config with { Prompt = "cat?" }), StringComparison.Ordinal);
        Assert.Contains("70 characters; the model has 60 positions", Message("the cat\nsat\n", Config with { Prompt = new string('t', 70) }), StringComparison.Ordinal);
        Assert.Contains("does not exist", Message("", Config with { Text = Path.Combine(folder, "missing") }), StringComparison.Ordinal);
        Assert.Contains("is a folder", Message("", Config with { Text = folder }), StringComparison.Ordinal);
        string settings = Message("", Config with { Snapshots = [-1], Heads = 3, Dropout = 1, Pairs = -2, Prompt = "" });
        Assert.All(["snapshots is -1", "d_model", "dropout", "pairs is -2", "prompt"], problem => Assert.Contains(problem, settings, StringComparison.Ordinal));
        Assert.False(Directory.Exists(Path.Combine(folder, "never")));
    }

    [Fact]
    [Trait("kind", "slow")]
    public void Shakespeares_lines_are_learned_well_below_chance()
    {
        string text = SharedData.Require("corpora", "tinyshakespeare.txt");
        LineLearningRecord record = Run("a", new LineLearningConfig { Text = text, Pairs = 400, Snapshots = [0, 1, 10] });
        Assert.Equal(64, record.Vocabulary.Length);
        Assert.Equal(139_264, record.Parameters);
        Assert.Equal(400, record.Pairs);
        Assert.InRange(record.Losses[^1].Loss, 1, Math.Log(64) - 1);
        Assert.True(record.Losses[^1].Loss < record.FrequencyLoss, $"{record.Losses[^1].Loss} against {record.FrequencyLoss}");
        Assert.True(record.Losses[^1].Loss < record.Losses[0].Loss - 0.5 && record.Losses[0].Loss < record.UntrainedLoss, $"{record.UntrainedLoss}, {record.Losses[0].Loss}, {record.Losses[^1].Loss}");
        Assert.NotEqual(record.Snapshots[0].Lines, record.Snapshots[^1].Lines);
        Assert.NotEqual(record.Snapshots[0].Maps[0].Activations[0], record.Snapshots[^1].Maps[0].Activations[0]);
        // The whole text's pairs, as the file has them: every line that is not blank but the last begins one.
        Assert.Equal(File.ReadLines(text).Count(line => line.Trim().Length > 0) - 1, LinePairs.Read(text, 0, 1000).Count);
    }

    /// <summary>Lines of little words, of many lengths.</summary>
    internal static string Verse(int lines)
    {
        var random = new SeededRandom(1);
        string[] words = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "dog"];
        return string.Join('\n', Enumerable.Range(0, lines).Select(_ => string.Join(' ', Enumerable.Range(0, 1 + random.Next(9)).Select(_ => words[random.Next(words.Length)]))));
    }

    // A bias of the keys adds the same to all scores of a query, which softmax does not feel: its gradient is rounding alone.
    private static Tensor Felt(string name, Tensor weights)
    {
        if (!name.EndsWith("in_proj_bias", StringComparison.Ordinal)) return weights;
        Tensor[] parts = weights.chunk(3, 0);
        return cat([parts[0], parts[2]], 0);
    }

    private LineLearningRecord Run(string name, LineLearningConfig config) =>
        new LineLearningRun(config, Path.Combine(folder, name), null).Execute(resume: false, CancellationToken.None);

    private Dictionary<string, string> Contents(string name) => Directory.GetFiles(Path.Combine(folder, name)).ToDictionary(path => Path.GetFileName(path), Hashing.OfFile);

    private sealed class StopAt(int pairs, CancellationTokenSource stop) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            if (value.Stage == "train" && value.Done >= pairs) stop.Cancel();
        }
    }
}

using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Training;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Training;

public sealed class SaeTrainerTests : IDisposable
{
    private static readonly SaeTrainingConfig Small = new() { DSae = 48, K = 4, Steps = 40, Batch = 300, Lr = 3e-3, LrWarmUpSteps = 5, DeadAfterTokens = 900, CheckpointEvery = 7, Seed = 3 };
    private readonly SyntheticActivations data = new(directions: 32, width: 12, active: 3);
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Threads_and_repeats_do_not_change_a_bit()
    {
        byte[] one = Trained("one", threads: 1), two = Trained("two", threads: 2), four = Trained("four", threads: 4);

        Assert.Equal(one, two);
        Assert.Equal(one, four);
        Assert.NotEqual(one, Trained("seed", threads: 1, Small with { Seed = 4 }));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(26)]
    [InlineData(39)]
    public void An_interrupted_run_resumes_to_the_same_bytes(int stopAt)
    {
        string whole = Path.Combine(folder, "whole"), halves = Path.Combine(folder, "halves");
        Train(Small, data.Input(300), whole);
        using var cancellation = new CancellationTokenSource();
        var stop = new Immediately(step => { if (step.Step == stopAt) cancellation.Cancel(); });
        Assert.Throws<OperationCanceledException>(() => Train(Small, data.Input(300), halves, progress: stop, cancellation: cancellation.Token));
        Assert.False(File.Exists(Path.Combine(halves, "sae.json")));

        var steps = new List<long>();
        Train(Small, data.Input(300), halves, resume: true, progress: new Immediately(step => steps.Add(step.Step)));

        Assert.Equal(stopAt + 1, steps[0]);
        Assert.Equal(Bytes(whole), Bytes(halves));
        Assert.Equal(["log.jsonl", "probes.safetensors", "sae.json", "sae.safetensors"], Directory.EnumerateFileSystemEntries(halves).Select(path => Path.GetFileName(path)).Order());
    }

    [Fact]
    public void A_run_killed_between_checkpoints_goes_back_to_the_newest_and_ends_in_the_same_bytes()
    {
        string whole = Path.Combine(folder, "whole"), killed = Path.Combine(folder, "killed");
        Train(Small, data.Input(300), whole);
        Assert.Throws<InvalidOperationException>(() => Train(Small, data.Input(300), killed, progress: new Immediately(step => { if (step.Step == 24) throw new InvalidOperationException(); })));
        Directory.CreateDirectory(Path.Combine(killed, "checkpoint-000000022.tmp"));

        var steps = new List<long>();
        Train(Small, data.Input(300), killed, resume: true, progress: new Immediately(step => steps.Add(step.Step)));

        Assert.Equal(22, steps[0]);
        Assert.Equal(Bytes(whole), Bytes(killed));
    }

    [Fact]
    public void A_checkpoint_of_another_run_is_refused_and_folders_in_use_are_left_alone()
    {
        using (var trainer = new SaeTrainer(Small, data.Input(300)))
        {
            Assert.Equal(1, trainer.Run().First().Step);
            trainer.SaveCheckpoint(folder);
        }
        using var other = new SaeTrainer(Small with { Seed = 9 }, data.Input(300));

        Assert.Contains("another run", Assert.Throws<UserErrorException>(() => other.Resume(folder)).Message);
        Assert.Contains("unfinished run", Assert.Throws<UserErrorException>(() => Train(Small, data.Input(300), folder)).Message);
        Train(Small, data.Input(300), Path.Combine(folder, "done"));
        Assert.Contains("already holds", Assert.Throws<UserErrorException>(() => Train(Small, data.Input(300), Path.Combine(folder, "done"), resume: true)).Message);
    }

    [Fact]
    public void Folding_the_scale_changes_nothing_but_the_units()
    {
        using var scope = NewDisposeScope();
        using var trainer = new SaeTrainer(Small, data.Input(300));
        TrainStep last = trainer.Run().Last();
        using SparseAutoencoder sae = trainer.Snapshot();
        ActivationBatch batch = data.Batch(1000, 300);
        Tensor x = TensorMemory.FromFloats(batch.Values, 300, 12);
        SaeWeights raw = trainer.Weights;
        Tensor pre = ((x * trainer.Scale) - raw.BDec).mm(raw.Encoder.t()) + raw.BEnc;
        (Tensor values, Tensor indices) = pre.topk((int)Small.K);
        Tensor f = zeros_like(pre).scatter(1, indices, values.relu());

        Assert.NotEqual(1, trainer.Scale);
        Assert.True(sae.Encode(x).allclose(f, 1e-4, 1e-5));
        Assert.True(sae.Reconstruct(x).allclose((f.mm(raw.Decoder) + raw.BDec) / trainer.Scale, 1e-4, 1e-4));
        Assert.True(last.Fvu < 1);
    }

    [Fact]
    public void Numbers_that_are_not_finite_stop_the_run_with_step_and_place()
    {
        IEnumerable<ActivationBatch> Broken(long first)
        {
            foreach (ActivationBatch batch in data.From(first, 300).Take(3)) yield return batch;
            ActivationBatch bad = data.Batch(3, 300);
            bad.Values[(250 * 12) + 7] = float.PositiveInfinity;
            yield return bad;
        }
        using var trainer = new SaeTrainer(Small, data.Input(300) with { BatchesFrom = Broken });

        string message = Assert.Throws<UserErrorException>(() => trainer.Run().Count()).Message;

        Assert.Contains("step 4", message);
        Assert.Contains("row 250, column 7", message);
    }

    [Fact]
    public void Divergence_stops_the_run_and_names_the_learning_rate()
    {
        using var trainer = new SaeTrainer(Small with { Lr = 1e30, UnitNormDecoder = false }, data.Input(300));

        UserErrorException error = Assert.Throws<UserErrorException>(() => trainer.Run().Count());

        Assert.Contains("diverged", error.Message);
        Assert.Contains("lower lr", error.Hint);
    }

    [Fact]
    public void Every_problem_of_a_config_is_listed_at_once()
    {
        var config = new SaeTrainingConfig { Architecture = "bottomk", DSae = 8, K = 9, Batch = 0, Steps = 0, Lr = double.NaN, LrDecayFraction = 2, AdamBeta2 = 1, AuxK = 0, DeadAfterTokens = 0 };

        string message = Assert.Throws<UserErrorException>(() => new SaeTrainer(config, data.Input(300))).Message;

        foreach (string key in new[] { "architecture", "k is 9", "batch", "steps", "lr is", "lr_decay_fraction", "adam_beta2", "aux_k", "dead_after_tokens" }) Assert.Contains(key, message);
    }

    [Fact]
    public void A_run_file_reads_back_and_unknown_keys_are_refused()
    {
        string path = Path.Combine(folder, "run.json");
        JsonFile.Write(path, Small);
        Assert.Equal(Small, SaeTrainingConfig.Load(path));

        File.WriteAllText(path, """{"d_sea": 4}""");
        Assert.Contains("d_sea", Assert.Throws<UserErrorException>(() => SaeTrainingConfig.Load(path)).Message);
    }

    [Fact]
    public void The_learning_rate_rises_stays_and_falls()
    {
        var config = new SaeTrainingConfig { DSae = 1 << 14, Steps = 10, LrWarmUpSteps = 4, LrDecayFraction = 0.4 };

        double[] rates = [.. Enumerable.Range(0, 10).Select(step => Math.Round(LearningRateSchedule.At(config, step) / 2e-4, 6))];

        Assert.Equal([0.25, 0.5, 0.75, 1, 1, 1, 1, 0.75, 0.5, 0.25], rates);
        Assert.Equal(0, LearningRateSchedule.At(config with { LrWarmUpFromZero = true }, 0));
    }

    private static void Train(
        SaeTrainingConfig config, SaeTrainingInput input, string path, bool resume = false, IProgress<TrainStep>? progress = null, int threads = 0, CancellationToken? cancellation = null) =>
        SaeTrainer.Train(config, input, path, resume, progress, threads, cancellation ?? TestContext.Current.CancellationToken).Dispose();

    private byte[] Trained(string name, int threads, SaeTrainingConfig? config = null)
    {
        string path = Path.Combine(folder, name);
        Train(config ?? Small, data.Input(300), path, threads: threads);
        return Bytes(path);
    }

    private static byte[] Bytes(string path) => [.. File.ReadAllBytes(Path.Combine(path, "sae.json")), .. File.ReadAllBytes(Path.Combine(path, "sae.safetensors"))];

    private sealed class Immediately(Action<TrainStep> report) : IProgress<TrainStep>
    {
        public void Report(TrainStep value) => report(value);
    }
}

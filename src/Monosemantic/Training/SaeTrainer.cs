using System.Text.Json;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>
/// Trains a sparse autoencoder. <see cref="Train"/> does it all, with checkpoints; <see cref="Run"/> yields a record per step
/// for those who want their own loop around it.
/// </summary>
public sealed class SaeTrainer : IDisposable
{
    private const string RunName = "run.json";
    private const int CheckpointVersion = 1;
    private readonly SaeTrainingInput input;
    private readonly SaeLearner learner;
    private readonly string runSha256;

    /// <summary>Sets up a run at its first step.</summary>
    /// <param name="config">The run file.</param>
    /// <param name="input">The activations.</param>
    /// <param name="threads">Most threads to use; 0 for every processor. The result does not depend on it.</param>
    /// <exception cref="UserErrorException">The config is wrong, or does not fit the activations.</exception>
    public SaeTrainer(SaeTrainingConfig config, SaeTrainingInput input, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(input);
        config.Check("the training config");
        (Config, this.input) = (config, input);
        Scale = ScaleOf(config, input.DModel, input.MeanNorm);
        TargetScale = input.DOut is { } width ? ScaleOf(config, width, input.TargetMeanNorm) : Scale;
        learner = new SaeLearner(config, input.DModel, threads, input.DOut, input.Sites);
        Initialise();
        runSha256 = Hashing.OfText($"{JsonFile.ToText(config with { CheckpointEvery = 0 })}|{input.DModel}|{Scale:R}|{input.HookPoint}|{input.ModelSha256}|{input.StoreSha256}");
    }

    /// <summary>The run file.</summary>
    public SaeTrainingConfig Config { get; }

    /// <summary>Steps taken so far.</summary>
    public long Steps => learner.Updates;

    /// <summary>Tokens trained on so far.</summary>
    public long Tokens { get; private set; }

    /// <summary>The weights as trained, in the scaled units; for tests.</summary>
    internal SaeWeights Weights => learner.Weights;

    /// <summary>What activations are multiplied by before training; folded into the weights of <see cref="Snapshot"/>.</summary>
    public double Scale { get; }

    /// <summary>The same of a transcoder's targets.</summary>
    private double TargetScale { get; }

    /// <summary>
    /// Trains to the end, from the newest checkpoint if asked, and saves the result. Interrupted by the token it leaves a
    /// checkpoint; the resumed run ends in the same bytes as an uninterrupted one.
    /// </summary>
    /// <param name="config">The run file.</param>
    /// <param name="input">The activations.</param>
    /// <param name="folder">Where <c>sae.json</c> and <c>sae.safetensors</c> go, and checkpoints until then.</param>
    /// <param name="resume">Whether to go on from a checkpoint in the folder, if there is one.</param>
    /// <param name="progress">Told after every step; null for nobody.</param>
    /// <param name="threads">Most threads to use; 0 for every processor.</param>
    /// <param name="cancellation">Stops after the current step.</param>
    /// <returns>The finished autoencoder.</returns>
    /// <exception cref="UserErrorException">Config, activations or folder are not right, or the training diverged.</exception>
    /// <exception cref="OperationCanceledException">It was interrupted; a checkpoint was written.</exception>
    public static SparseAutoencoder Train(
        SaeTrainingConfig config, SaeTrainingInput input, string folder, bool resume = false, IProgress<TrainStep>? progress = null, int threads = 0, CancellationToken cancellation = default)
    {
        CheckFolder(folder, resume);
        using var trainer = new SaeTrainer(config, input, threads);
        if (resume) trainer.Resume(folder);
        AtomicFile.MakeFolder(folder);
        JsonFile.Write(Path.Combine(folder, RunName), config);
        foreach (TrainStep step in trainer.Run())
        {
            progress?.Report(step);
            bool last = step.Step == config.TotalSteps;
            if (!last && (cancellation.IsCancellationRequested || (config.CheckpointEvery > 0 && step.Step % config.CheckpointEvery == 0))) trainer.SaveCheckpoint(folder);
            if (!last) cancellation.ThrowIfCancellationRequested();
        }
        SparseAutoencoder finished = trainer.Snapshot();
        finished.Save(folder);
        SaeCheckpoint.DeleteAll(folder);
        File.Delete(Path.Combine(folder, RunName));
        return finished;
    }

    /// <summary>Takes the steps that are left, one each time the enumeration moves on.</summary>
    /// <exception cref="UserErrorException">The activations hold numbers that are not finite or have another width, they end too soon, or the training diverged.</exception>
    public IEnumerable<TrainStep> Run()
    {
        if (Steps >= Config.TotalSteps) yield break;
        using IEnumerator<ActivationBatch>? targets = input.TargetsFrom?.Invoke(Steps).GetEnumerator();
        foreach (ActivationBatch batch in input.BatchesFrom(Steps))
        {
            if (targets is not null && !targets.MoveNext()) break;
            yield return Step(batch, targets?.Current);
            if (Steps >= Config.TotalSteps) yield break;
        }
        throw new UserErrorException($"the activations ended after {Steps} of {Config.TotalSteps} steps", "the stream of batches must not end; repeat the rows, or ask for fewer steps");
    }

    /// <summary>The autoencoder as it is now, with the scale folded in: raw activations go in. Its weights are a copy.</summary>
    public SparseAutoencoder Snapshot() => TrainedAutoencoder.Of(Config, input, learner, Scale, TargetScale, new SaeProvenance
    {
        ModelSha256 = input.ModelSha256,
        StoreSha256 = input.StoreSha256,
        Seed = Config.Seed,
        Steps = Steps,
        Tokens = Tokens,
        FoldedScale = Scale,
        CodeVersion = Runtime.CodeVersion.Current,
        Training = JsonSerializer.SerializeToElement(Config, JsonFile.Options),
    });

    /// <summary>Writes all that the rest of the run depends on to a new folder <c>checkpoint-N</c>; the two newest are kept.</summary>
    /// <param name="folder">The run's folder.</param>
    public void SaveCheckpoint(string folder) =>
        SaeCheckpoint.Save(folder, new() { FormatVersion = CheckpointVersion, Steps = Steps, Tokens = Tokens, RunSha256 = runSha256 }, learner);

    /// <summary>Goes on from the newest checkpoint of a folder.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="UserErrorException">It belongs to another run or is damaged.</exception>
    public bool Resume(string folder)
    {
        if (SaeCheckpoint.LoadNewest(folder, runSha256, learner) is not { } manifest) return false;
        Tokens = manifest.Tokens;
        return true;
    }

    private TrainStep Step(ActivationBatch batch, ActivationBatch? targets)
    {
        long number = Steps + 1;
        CheckBatch(batch, input.DModel, number);
        if (targets is not null) CheckBatch(targets, input.DOut!.Value, number);
        if (learner.Load(batch.Values, batch.Rows, Scale, targets?.Values, TargetScale) is { } bad)
        {
            throw new UserErrorException($"step {number}: the activation of row {bad.Row}, column {bad.Column} of the batch is {batch.Values[(bad.Row * batch.DModel) + bad.Column]}", "extract the activations again; the model or its input is broken");
        }
        if (Steps == 0 && Config.InitFrom is null) SaeInitialisation.SetDecoderBias(learner.Weights, Config.BDecInit, learner.Targets, batch.Rows);
        BatchLosses losses = learner.Compute();
        if (!double.IsFinite(losses.Loss) || !double.IsFinite(learner.GradientNorm))
        {
            throw new UserErrorException($"step {number}: the loss is {losses.Loss} and the gradient's length {learner.GradientNorm}; the training diverged", $"lower lr (now {Config.PeakLr}) or raise lr_warm_up_steps, and check input_scaling");
        }
        double lr = LearningRateSchedule.At(Config, Steps);
        learner.Update(lr);
        Tokens += batch.Rows;
        double n = batch.Rows;
        return new(number, Tokens, losses.Loss, losses.SquaredError / n, losses.AuxLoss, losses.Variance > 0 ? losses.SquaredError / losses.Variance : null, losses.Active / n, losses.Dead, learner.GradientNorm, lr, losses.Terms);
    }

    private void Initialise()
    {
        SaeInitialisation.Fill(learner.Weights, Config);
        if (Config.InitFrom is not { } folder) return;
        using SparseAutoencoder trained = SparseAutoencoder.Load(folder);
        SaeInitialisation.From(learner.Weights, trained, Scale, TargetScale);
    }

    private void CheckBatch(ActivationBatch batch, int width, long number)
    {
        if (batch.DModel != width) throw new UserErrorException($"step {number}: the batch has rows of {batch.DModel}; they must be {width} wide", "train on the store that the run was set up for");
        if (batch.Rows < 1 || batch.Rows > Config.Batch) throw new UserErrorException($"step {number}: the batch has {batch.Rows} rows; it must have 1..{Config.Batch} (batch)", "read the store with the run's batch size");
    }

    private static double ScaleOf(SaeTrainingConfig config, int width, double? meanNorm)
    {
        if (width < 1) throw new UserErrorException($"the width of the activations is {width}; it must be at least 1", "extract the activations again");
        if (config.InputScaling is InputScaling.None or InputScaling.LayerNorm) return 1;
        return meanNorm is { } norm && norm > 0 && double.IsFinite(norm)
            ? Math.Sqrt(width) / norm
            : throw new UserErrorException($"input_scaling is mean_norm_sqrt_d, but the mean length of the activations is {meanNorm?.ToString() ?? "not known"}", "use a store with statistics, or set input_scaling to none");
    }

    private static void CheckFolder(string folder, bool resume)
    {
        if (File.Exists(Path.Combine(folder, SaeStorage.ManifestName))) throw new UserErrorException($"{folder} already holds a finished sparse autoencoder", "choose another folder, or delete that one first");
        if (!Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any()) return;
        // Only a folder that this trainer began may be written to, and later cleaned of its checkpoints.
        if (!File.Exists(Path.Combine(folder, RunName)) && !SaeCheckpoint.AnyIn(folder)) throw new UserErrorException($"{folder} is not empty and holds no run of this kind", "choose an empty or new folder with --out");
        if (!resume) throw new UserErrorException($"{folder} holds an unfinished run", "go on with --resume, or choose another folder with --out");
    }

    /// <summary>Frees all memory.</summary>
    public void Dispose() => learner.Dispose();
}

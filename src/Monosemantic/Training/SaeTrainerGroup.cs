using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>One of several trainings that share a pass.</summary>
/// <param name="Name">What it is called, for progress.</param>
/// <param name="Config">Its settings.</param>
/// <param name="Folder">Where it goes.</param>
public sealed record SaeGroupRun(string Name, SaeTrainingConfig Config, string Folder);

/// <summary>
/// Trains several autoencoders in one pass over the activations: each batch is read (or computed) once and given to every
/// run that is to see it. Each result is bit-equal to that of the run alone, as nothing but the batch is shared.
/// </summary>
public static class SaeTrainerGroup
{
    /// <summary>Trains all of them; finished ones are left as they are when resuming.</summary>
    /// <param name="runs">The runs; those of equal batch size and data seed share a pass.</param>
    /// <param name="input">The activations for a run's settings.</param>
    /// <param name="resume">Whether to go on from checkpoints.</param>
    /// <param name="progress">Told of a run's name and step.</param>
    /// <param name="threads">Most threads to use; 0 for every processor.</param>
    /// <param name="cancellation">Stops after the current step; every run leaves a checkpoint.</param>
    /// <exception cref="UserErrorException">Settings, activations or a folder are not right, or a training diverged.</exception>
    /// <exception cref="OperationCanceledException">It was interrupted.</exception>
    public static void Train(IReadOnlyList<SaeGroupRun> runs, Func<SaeTrainingConfig, SaeTrainingInput> input, bool resume = false, IProgress<(string Name, TrainStep Step)>? progress = null, int threads = 0, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(runs);
        ArgumentNullException.ThrowIfNull(input);
        string[] twice = [.. runs.GroupBy(run => Path.GetFullPath(run.Folder)).Where(group => group.Count() > 1).Select(group => group.Key)];
        if (twice.Length > 0) throw new UserErrorException($"two runs would write to {string.Join(", ", twice)}", "give each run its own name");
        foreach (SaeGroupRun run in runs) run.Config.Check(run.Name);
        foreach (IGrouping<(int, long), SaeGroupRun> shared in runs.GroupBy(run => (run.Config.Batch, run.Config.DataSeed ?? run.Config.Seed)))
        {
            OnePass([.. shared.Where(run => !resume || !File.Exists(Path.Combine(run.Folder, SaeStorage.ManifestName)))], input, resume, progress, threads, cancellation);
        }
    }

    private static void OnePass(ImmutableArray<SaeGroupRun> runs, Func<SaeTrainingConfig, SaeTrainingInput> input, bool resume, IProgress<(string Name, TrainStep Step)>? progress, int threads, CancellationToken cancellation)
    {
        if (runs.IsEmpty) return;
        var open = new List<(SaeGroupRun Run, SaeTrainingRun Training)>();
        try
        {
            foreach (SaeGroupRun run in runs) open.Add((run, new SaeTrainingRun(run.Config, input(run.Config), run.Folder, resume, threads)));
            long first = open.Min(run => run.Training.Trainer.Steps), last = open.Max(run => run.Training.Trainer.Config.TotalSteps);
            SaeTrainingInput source = input(runs[0].Config);
            using IEnumerator<ActivationBatch>? targets = source.TargetsFrom?.Invoke(first).GetEnumerator();
            using IEnumerator<ActivationBatch> batches = source.BatchesFrom(first).GetEnumerator();
            for (long step = first; step < last; step++)
            {
                if (!batches.MoveNext() || (targets is not null && !targets.MoveNext())) throw new UserErrorException($"the activations ended after {step} of {last} steps", "the stream of batches must not end; repeat the rows, or ask for fewer steps");
                bool stop = cancellation.IsCancellationRequested;
                foreach ((SaeGroupRun run, SaeTrainingRun training) in open)
                {
                    // A run whose checkpoint is newer waits until the stream has come to it.
                    if (training.IsDone || training.Trainer.Steps != step) continue;
                    Step(run, training, batches.Current, targets?.Current, progress, stop);
                }
                if (stop) cancellation.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            foreach ((_, SaeTrainingRun training) in open) training.Dispose();
        }
    }

    private static void Step(SaeGroupRun run, SaeTrainingRun training, ActivationBatch batch, ActivationBatch? targets, IProgress<(string Name, TrainStep Step)>? progress, bool stop)
    {
        TrainStep step = training.Trainer.Step(batch, targets);
        progress?.Report((run.Name, step));
        try
        {
            training.After(step, null, new CancellationToken(stop));
        }
        catch (OperationCanceledException)
        {
            // Its checkpoint is written; the others follow before the pass ends.
        }
        if (training.IsDone) training.Finish().Dispose();
    }
}

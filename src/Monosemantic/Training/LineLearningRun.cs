using System.Collections.Immutable;
using System.Diagnostics;
using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// From a text to a folder that shows how a small transformer learns it: <c>config.json</c> (the settings), <c>model.safetensors</c>
/// (the final weights), <c>losses.jsonl</c> (one line per iteration) and <c>snapshots.json</c> (a <see cref="LineLearningRecord"/>).
/// Can go on after an interruption as if nothing had happened.
/// </summary>
public sealed class LineLearningRun
{
    private static readonly TimeSpan CheckpointEvery = TimeSpan.FromSeconds(20);
    private readonly LineLearningConfig config;
    private readonly string directory;
    private readonly IProgress<ProgressReport>? progress;

    /// <summary>Prepares a run.</summary>
    /// <param name="config">The settings; the order and repetition of its snapshots do not matter.</param>
    /// <param name="directory">The folder to make.</param>
    /// <param name="progress">Told how far the run has come; null for nobody.</param>
    /// <exception cref="UserErrorException">A setting cannot work.</exception>
    public LineLearningRun(LineLearningConfig config, string directory, IProgress<ProgressReport>? progress)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate("the settings of learn");
        this.config = config with { Snapshots = [.. config.Snapshots.Distinct().Order()] };
        this.directory = directory;
        this.progress = progress;
    }

    /// <summary>Runs to the end.</summary>
    /// <param name="resume">Whether to go on from the folder's last checkpoint, if it has one.</param>
    /// <param name="cancellation">Stops between two steps, leaving a checkpoint.</param>
    /// <returns>What <c>snapshots.json</c> holds.</returns>
    /// <exception cref="UserErrorException">The text, the prompt or the folder cannot be used, or training diverged.</exception>
    public LineLearningRecord Execute(bool resume, CancellationToken cancellation)
    {
        int threads = get_num_threads();
        if (config.Threads > 0) set_num_threads(config.Threads);
        try
        {
            return Learn(resume, cancellation);
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    private LineLearningRecord Learn(bool resume, CancellationToken cancellation)
    {
        LinePairs pairs = LinePairs.Read(config.Text, config.Pairs, config.Positions);
        int length = pairs.Vocabulary.Encode(config.Prompt, "the prompt").Length;
        if (length > config.Positions) throw new UserErrorException($"the prompt has {length:N0} characters; the model has {config.Positions:N0} positions", "shorten the prompt, or give the model more with --set positions=N");
        var folder = LineLearningFolder.Open(directory, config, resume);
        if (folder.IsFinished) return folder.Record(pairs.Sha256);
        using var learner = new LineLearner(config, pairs);
        LineLearningProgress state = folder.Restore(learner, pairs.Sha256) ?? Begin(learner, pairs, cancellation);
        state = Train(learner, pairs, folder, state, cancellation);
        LineLearningRecord record = Record(pairs, learner.Model, state);
        folder.Finish(learner.Model, record);
        return record;
    }

    private LineLearningProgress Begin(LineLearner learner, LinePairs pairs, CancellationToken cancellation)
    {
        progress?.Report(new("measure", 0, 0, "pairs", "the untrained model"));
        var state = new LineLearningProgress { TextSha256 = pairs.Sha256, UntrainedLoss = learner.Measure(cancellation) };
        return config.Snapshots.Contains(0) ? state with { Snapshots = [Snapshot(learner.Model, 0)] } : state;
    }

    private LineLearningProgress Train(LineLearner learner, LinePairs pairs, LineLearningFolder folder, LineLearningProgress state, CancellationToken cancellation)
    {
        var pace = new Pace(progress, pairs.Count, config.Iterations);
        var sinceCheckpoint = Stopwatch.StartNew();
        while (state.Losses.Length < config.Iterations)
        {
            List<int[]> batches = LineBatches.Of(pairs, config.Batch, config.Seed, state.Losses.Length + 1);
            int seen = batches.Take(state.Batch).Sum(done => done.Length);
            foreach (int[] batch in batches.Skip(state.Batch))
            {
                if (cancellation.IsCancellationRequested || sinceCheckpoint.Elapsed > CheckpointEvery)
                {
                    folder.Checkpoint(learner, state);
                    cancellation.ThrowIfCancellationRequested();
                    sinceCheckpoint.Restart();
                }
                (double loss, long targets) = learner.Advance(batch);
                state = state with { Step = learner.Step, Batch = state.Batch + 1, LossSum = state.LossSum + loss, LossCount = state.LossCount + targets };
                pace.Report(state, seen += batch.Length, batch.Length);
            }
            state = WithIteration(state, learner.Model);
        }
        return state;
    }

    private LineLearningProgress WithIteration(LineLearningProgress state, SimpleTransformer model)
    {
        var loss = new IterationLoss(state.Losses.Length + 1, state.LossSum / state.LossCount);
        state = state with { Losses = state.Losses.Add(loss), Batch = 0, LossSum = 0, LossCount = 0 };
        return config.Snapshots.Contains(loss.Iteration) ? state with { Snapshots = state.Snapshots.Add(Snapshot(model, loss.Iteration)) } : state;
    }

    private LineLearningSnapshot Snapshot(SimpleTransformer model, int iteration)
    {
        using var gradients = no_grad();
        using var scope = NewDisposeScope();
        // The same numbers for every snapshot, so that only the model makes a difference.
        ImmutableArray<string> likeliest = Write(model, null), drawn = Write(model, new SeededRandom(config.Seed, long.MinValue));
        SimpleTransformerTrace trace = model.Trace(model.Tokens(config.Prompt));
        return new(iteration, likeliest, drawn, [.. trace.Neurons.Select((neurons, layer) => new NeuronMap(layer, Rows(neurons)))]);
    }

    private ImmutableArray<string> Write(SimpleTransformer model, SeededRandom? random)
    {
        var lines = ImmutableArray.CreateBuilder<string>(config.Lines);
        for (string line = config.Prompt; lines.Count < config.Lines;) lines.Add(line = model.NextLine(line, random));
        return lines.MoveToImmutable();
    }

    // Neurons [1, t, feed-forward] as plain numbers.
    private static ImmutableArray<ImmutableArray<float>> Rows(Tensor neurons)
    {
        ReadOnlySpan<float> values = TensorMemory.Floats(neurons.contiguous());
        int width = (int)neurons.shape[2];
        var rows = ImmutableArray.CreateBuilder<ImmutableArray<float>>();
        for (int at = 0; at < values.Length; at += width) rows.Add([.. values.Slice(at, width)]);
        return rows.ToImmutable();
    }

    private LineLearningRecord Record(LinePairs pairs, SimpleTransformer model, LineLearningProgress state) => new()
    {
        CodeVersion = CodeVersion.Current,
        Text = pairs.Name,
        TextSha256 = pairs.Sha256,
        Pairs = pairs.Count,
        Targets = pairs.Targets,
        Vocabulary = pairs.Vocabulary.Text,
        Parameters = model.Parameters,
        // The path is the user's own; what was read is the name and the hash.
        Config = config with { Text = pairs.Name },
        UniformLoss = Math.Log(pairs.Vocabulary.Size),
        FrequencyLoss = pairs.FrequencyEntropy(),
        UntrainedLoss = state.UntrainedLoss,
        Losses = state.Losses,
        Snapshots = state.Snapshots,
    };

    /// <summary>Tells how fast it goes and when it will end.</summary>
    private sealed class Pace(IProgress<ProgressReport>? progress, int pairs, int iterations)
    {
        private readonly Stopwatch clock = Stopwatch.StartNew();
        private long seen;

        internal void Report(LineLearningProgress state, int doneInIteration, int batch)
        {
            seen += batch;
            if (progress is null) return;
            long done = (long)state.Losses.Length * pairs + doneInIteration, total = (long)iterations * pairs;
            double perPair = clock.Elapsed.TotalSeconds / seen;
            string loss = $"loss {state.LossSum / state.LossCount:F3}", iteration = $"iteration {state.Losses.Length + 1:N0} of {iterations:N0}";
            progress.Report(new("train", done, total, "pairs", $"{iteration}, {loss}, {perPair * pairs:F1} s an iteration, {Span(perPair * (total - done))} left"));
        }

        private static string Span(double seconds) => seconds < 90 ? $"{seconds:F0} s" : seconds < 5400 ? $"{seconds / 60:F0} min" : $"{seconds / 3600:F1} h";
    }
}

using System.Collections.Immutable;
using System.Numerics.Tensors;
using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>An activation store as what a dictionary is trained on: its training split, shuffled from the run's seed.</summary>
public static class StoreInput
{
    private const long StatisticsRows = 100_000;
    private const int LiveBufferRows = 65_536;

    /// <summary>Makes the input.</summary>
    /// <param name="store">The store; it must outlive the training.</param>
    /// <param name="config">The run's settings: batch and seed.</param>
    /// <exception cref="UserErrorException">The training split has fewer rows than a batch.</exception>
    public static SaeTrainingInput From(ActivationStore store, SaeTrainingConfig config)
    {
        ArgumentNullException.ThrowIfNull(store);
        return From(store, config, store.Manifest.TrainingStatistics, store.Sha256, store.Folder);
    }

    /// <summary>Makes the input from activations that are computed as they are needed.</summary>
    /// <param name="live">The activations; they must outlive the training.</param>
    /// <param name="config">The run's settings: batch and seed.</param>
    /// <param name="cancellation">Stops the pass over the activations that measures their length.</param>
    /// <exception cref="UserErrorException">The training split has fewer rows than a batch.</exception>
    public static SaeTrainingInput From(LiveActivations live, SaeTrainingConfig config, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(live);
        return From(live, config, live.TrainingStatistics(StatisticsRows, cancellation), null, "the extraction");
    }

    /// <summary>Makes the input of a transcoder: rows of one store, and for each the same token's row of another.</summary>
    /// <param name="inputs">What is read.</param>
    /// <param name="targets">What is predicted; of the same extraction.</param>
    /// <param name="config">The run's settings.</param>
    /// <exception cref="UserErrorException">The stores do not hold the same tokens.</exception>
    public static SaeTrainingInput Transcoder(ActivationStore inputs, ActivationStore targets, SaeTrainingConfig config)
    {
        ArgumentNullException.ThrowIfNull(targets);
        SaeTrainingInput input = From(inputs, config);
        RequireSameRows(inputs, targets);
        return input with
        {
            DOut = targets.DModel,
            TargetMeanNorm = ScaleNorm(targets.Manifest.TrainingStatistics, config),
            HookPointOut = targets.Manifest.Plan.HookPoint,
            StoreSha256 = Hashing.OfText($"{inputs.Sha256} {targets.Sha256}"),
            TargetsFrom = first => targets.Shuffled(config.Batch, config.DataSeed ?? config.Seed, StoreSplit.Training, first),
        };
    }

    /// <summary>Makes the input of a crosscoder: rows of several stores side by side, each scaled by its own mean length.</summary>
    /// <param name="sites">The stores, of equal width and of the same extraction.</param>
    /// <param name="config">The run's settings.</param>
    /// <exception cref="UserErrorException">The stores do not hold the same tokens, or are not equally wide.</exception>
    public static SaeTrainingInput Crosscoder(IReadOnlyList<ActivationStore> sites, SaeTrainingConfig config)
    {
        ArgumentNullException.ThrowIfNull(sites);
        foreach (ActivationStore other in sites.Skip(1))
        {
            RequireSameRows(sites[0], other);
            if (other.DModel != sites[0].DModel) throw new UserErrorException($"{other.Folder} is {other.DModel} wide, {sites[0].Folder} {sites[0].DModel}", "a crosscoder needs sites of equal width");
        }
        SaeTrainingInput input = From(sites[0], config);
        ImmutableArray<double> scales = [.. sites.Select(site => SaeTrainer.ScaleOf(config, site.DModel, ScaleNorm(site.Manifest.TrainingStatistics, config)))];
        return input with
        {
            DModel = sites.Sum(site => site.DModel),
            Sites = sites.Count,
            SiteScales = scales,
            HookPoint = string.Join(",", sites.Select(site => site.Manifest.Plan.HookPoint)),
            StoreSha256 = Hashing.OfText(string.Join(' ', sites.Select(site => site.Sha256))),
            BatchesFrom = first => SideBySide(sites, scales, config, first),
        };
    }

    private static SaeTrainingInput From(IActivationRows rows, SaeTrainingConfig config, StoreStatistics? statistics, string? sha256, string name)
    {
        ArgumentNullException.ThrowIfNull(config);
        long count = rows.RowCount(StoreSplit.Training);
        if (count < config.Batch) throw new UserErrorException($"{name} has {count:N0} training rows; one batch takes {config.Batch:N0}", "extract more rows, or lower batch");
        return new SaeTrainingInput
        {
            DModel = rows.DModel,
            MeanNorm = ScaleNorm(statistics, config),
            HookPoint = rows.Plan.HookPoint,
            ModelSha256 = rows.Plan.Model.Sha256,
            StoreSha256 = sha256,
            BatchesFrom = first => rows is ActivationStore store
                ? store.Shuffled(config.Batch, config.DataSeed ?? config.Seed, StoreSplit.Training, first)
                : rows.Shuffled(config.Batch, Math.Max(config.Batch, LiveBufferRows), config.DataSeed ?? config.Seed, StoreSplit.Training, first),
        };
    }

    // The length that is scaled to sqrt(d), or the root of the mean squared length, which is scaled to 1.
    private static double? ScaleNorm(StoreStatistics? statistics, SaeTrainingConfig config) =>
        config.InputScaling == InputScaling.MeanSquare ? statistics is null ? null : Math.Sqrt(statistics.MeanSquaredNorm) : statistics?.MeanNorm;

    private static void RequireSameRows(ActivationStore one, ActivationStore other)
    {
        if (one.RowCount(StoreSplit.Training) == other.RowCount(StoreSplit.Training) && one.Manifest.Plan.Corpus == other.Manifest.Plan.Corpus && one.Manifest.Plan.Sampling == other.Manifest.Plan.Sampling && one.Manifest.Plan.Split == other.Manifest.Plan.Split) return;
        throw new UserErrorException($"{one.Folder} and {other.Folder} do not hold the same tokens", "extract both hook points in one run: extract --hooks A,B");
    }

    private static IEnumerable<ActivationBatch> SideBySide(IReadOnlyList<ActivationStore> sites, ImmutableArray<double> scales, SaeTrainingConfig config, long first)
    {
        IEnumerator<ActivationBatch>[] streams = [.. sites.Select(site => site.Shuffled(config.Batch, config.DataSeed ?? config.Seed, StoreSplit.Training, first).GetEnumerator())];
        try
        {
            int width = sites[0].DModel, total = width * sites.Count;
            while (streams.All(stream => stream.MoveNext()))
            {
                ActivationBatch leading = streams[0].Current;
                float[] values = new float[leading.Rows * total];
                for (int site = 0; site < streams.Length; site++)
                {
                    ReadOnlySpan<float> from = streams[site].Current.Span;
                    for (int row = 0; row < leading.Rows; row++) TensorPrimitives.Multiply(from.Slice(row * width, width), (float)scales[site], values.AsSpan((row * total) + (site * width), width));
                }
                yield return new ActivationBatch { Rows = leading.Rows, DModel = total, Index = leading.Index, Values = values, Documents = leading.Documents, Positions = leading.Positions, Tokens = leading.Tokens };
            }
        }
        finally
        {
            foreach (IEnumerator<ActivationBatch> stream in streams) stream.Dispose();
        }
    }
}

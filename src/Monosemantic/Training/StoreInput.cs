using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>An activation store as what a dictionary is trained on: its training split, shuffled from the run's seed.</summary>
public static class StoreInput
{
    /// <summary>Makes the input.</summary>
    /// <param name="store">The store; it must outlive the training.</param>
    /// <param name="config">The run's settings: batch and seed.</param>
    /// <exception cref="UserErrorException">The training split has fewer rows than a batch.</exception>
    public static SaeTrainingInput From(ActivationStore store, SaeTrainingConfig config)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(config);
        long rows = store.RowCount(StoreSplit.Training);
        if (rows < config.Batch) throw new UserErrorException($"{store.Folder} has {rows:N0} training rows; one batch takes {config.Batch:N0}", "extract more rows, or lower batch");
        return new SaeTrainingInput
        {
            DModel = store.DModel,
            MeanNorm = store.Manifest.TrainingStatistics?.MeanNorm,
            HookPoint = store.Manifest.Plan.HookPoint,
            ModelSha256 = store.Manifest.Plan.Model.Sha256,
            StoreSha256 = store.Sha256,
            BatchesFrom = first => store.Shuffled(config.Batch, config.Seed, StoreSplit.Training, first),
        };
    }
}

using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Training;

namespace Monosemantic.Benchmarks;

/// <summary>A store of the sample model's activations and a dictionary of the demo's size, trained on them for a moment.</summary>
internal static class SampleDictionary
{
    internal static (string Store, string Sae) Make(string folder, int rows)
    {
        string store = Path.Combine(folder, "sample"), saved = Path.Combine(folder, "sae");
        using (var extraction = Extraction.Open(new ExtractionConfig { Model = SampleModelFolder.Find(), Hooks = ["blocks.2.hook_resid_post"], Rows = rows })) extraction.Run(store);
        using ActivationStore activations = ActivationStore.Open(store);
        var config = new SaeTrainingConfig { DSae = 4096, K = 16, Tokens = 200_000, Lr = 2e-3 };
        using var trainer = new SaeTrainer(config, StoreInput.From(activations, config));
        foreach (TrainStep _ in trainer.Run())
        {
        }
        using SparseAutoencoder sae = trainer.Snapshot();
        sae.Save(saved);
        return (store, saved);
    }
}

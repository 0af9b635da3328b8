using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using static TorchSharp.torch;

namespace Monosemantic.Metrics;

/// <summary>Puts baselines beside a dictionary, on the same rows.</summary>
internal static class BaselineComparison
{
    /// <summary>Most rows that baselines are compared on: a random dictionary costs as much as the dictionary itself.</summary>
    internal const int Rows = 32_768;

    // Of the contexts that the dictionary is spliced into: all baselines together cost less than the dictionary does.
    private const int ShareOfContexts = 8, LeastContexts = 4;

    // What is reported of the model's behaviour; the rest is the same for all.
    private static readonly string[] Behaviour = ["ce_spliced", "ce_increase", "ce_recovered_zero", "ce_recovered_mean", "kl_spliced", "top1_agreement"];

    /// <summary>Runs the model with something spliced in.</summary>
    /// <param name="reconstruct">What takes the place of the activations [n, d_model] -> [n, d_model].</param>
    internal delegate IReadOnlyDictionary<string, MetricValue> Splice(Func<Tensor, Tensor> reconstruct);

    /// <summary>Contexts on which the model is run with the dictionary and each baseline spliced in.</summary>
    /// <param name="contexts">Contexts that the dictionary is measured on.</param>
    internal static int ContextsOf(int contexts) => Math.Max(LeastContexts, contexts / ShareOfContexts);

    /// <summary>Measures every baseline in one reading of the rows.</summary>
    /// <param name="pass">The dictionary's pass, whose first rows are the ones to compare on.</param>
    /// <param name="fit">What baselines learnt from training rows.</param>
    /// <param name="sae">The dictionary.</param>
    /// <param name="batches">The evaluated rows, from the first on.</param>
    /// <param name="split">Where they come from.</param>
    /// <param name="mean">Mean of the store [d_model].</param>
    /// <param name="splice">Runs the model; null where there is none.</param>
    internal static ImmutableArray<BaselineResult> Measure(
        DictionaryPass pass, BaselineFit fit, SparseAutoencoder sae, IEnumerable<ActivationBatch> batches, string split, IReadOnlyList<double> mean, Splice? splice = null)
    {
        Dictionary<string, MetricValue> own = WithBehaviour(pass.Compared.Compute(split), splice, sae.Reconstruct);
        int k = Math.Max(1, (int)Math.Round(pass.All.Compute(split)["l0"].Value ?? 1));
        ImmutableArray<Baseline> baselines = Baseline.All(fit, k, sae.Config.DSae);
        try
        {
            DocumentSums[] sums = [.. baselines.Select(_ => new DocumentSums(CoreMetrics.OfReconstruction(fit.DModel, hasMean: true)))];
            Read(baselines, sums, batches, [.. mean.Select(value => (float)value)]);
            return
            [
                new() { Name = "dictionary", Description = "the evaluated dictionary, on the rows of the baselines", Numbers = own, Beaten = null },
                .. baselines.Select((baseline, i) => Of(baseline, WithBehaviour(sums[i].Compute(split), splice, baseline.Reconstruct), own["fvu"].Value)),
            ];
        }
        finally
        {
            foreach (Baseline baseline in baselines) baseline.Dispose();
        }
    }

    private static BaselineResult Of(Baseline baseline, Dictionary<string, MetricValue> numbers, double? own) =>
        new() { Name = baseline.Name, Description = baseline.Description, Numbers = numbers, Beaten = own < numbers["fvu"].Value ? true : own is null || numbers["fvu"].Value is null ? null : false };

    private static Dictionary<string, MetricValue> WithBehaviour(IReadOnlyDictionary<string, MetricValue> numbers, Splice? splice, Func<Tensor, Tensor> reconstruct)
    {
        var all = new Dictionary<string, MetricValue>(numbers);
        if (splice?.Invoke(reconstruct) is not { } behaviour) return all;
        foreach (string name in Behaviour) all[name] = behaviour[name];
        return all;
    }

    private static void Read(ImmutableArray<Baseline> baselines, DocumentSums[] sums, IEnumerable<ActivationBatch> batches, float[] shift)
    {
        float[] values = [], output = [];
        int[] documents = [];
        foreach (ActivationBatch batch in batches)
        {
            int size = batch.Rows * batch.DModel;
            if (values.Length < size) (values, output, documents) = (new float[size], new float[size], new int[batch.Rows]);
            int rows = (int)Math.Min(RealRows.Copy(batch, values, documents), Rows - sums[0].Rows);
            if (rows == 0) continue;
            for (int i = 0; i < sums.Length; i++)
            {
                baselines[i].Reconstruct(values, rows, output);
                sums[i].Add(new MetricRows { Rows = rows, DModel = batch.DModel, X = values, Reconstruction = output, Documents = documents, Shift = shift }.ComputeMoments(), rows);
            }
            if (sums[0].Rows >= Rows) return;
        }
    }
}

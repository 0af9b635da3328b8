using System.Collections.Immutable;
using Monosemantic.Activations;

namespace Monosemantic.Metrics;

/// <summary>Puts baselines beside a dictionary, on the same rows.</summary>
internal static class BaselineComparison
{
    /// <summary>Most rows that baselines are compared on: a random dictionary costs as much as the dictionary itself.</summary>
    internal const int Rows = 32_768;

    /// <summary>Measures every baseline in one reading of the rows.</summary>
    /// <param name="pass">The dictionary's pass, whose first rows are the ones to compare on.</param>
    /// <param name="fit">What baselines learnt from training rows.</param>
    /// <param name="dSae">Number of features of the dictionary.</param>
    /// <param name="batches">The evaluated rows, from the first on.</param>
    /// <param name="split">Where they come from.</param>
    /// <param name="mean">Mean of the store [d_model].</param>
    internal static ImmutableArray<BaselineResult> Measure(DictionaryPass pass, BaselineFit fit, int dSae, IEnumerable<ActivationBatch> batches, string split, IReadOnlyList<double> mean)
    {
        IReadOnlyDictionary<string, MetricValue> own = pass.Compared.Compute(split);
        int k = Math.Max(1, (int)Math.Round(pass.All.Compute(split)["l0"].Value ?? 1));
        ImmutableArray<Baseline> baselines = Baseline.All(fit, k, dSae);
        try
        {
            DocumentSums[] sums = [.. baselines.Select(_ => new DocumentSums(CoreMetrics.OfReconstruction(fit.DModel, hasMean: true)))];
            Read(baselines, sums, batches, [.. mean.Select(value => (float)value)]);
            return
            [
                new() { Name = "dictionary", Description = "the evaluated dictionary, on the rows of the baselines", Numbers = own, Beaten = null },
                .. baselines.Select((baseline, i) => Of(baseline, sums[i].Compute(split), own["fvu"].Value)),
            ];
        }
        finally
        {
            foreach (Baseline baseline in baselines) baseline.Dispose();
        }
    }

    private static BaselineResult Of(Baseline baseline, IReadOnlyDictionary<string, MetricValue> numbers, double? own) =>
        new() { Name = baseline.Name, Description = baseline.Description, Numbers = numbers, Beaten = own < numbers["fvu"].Value ? true : own is null || numbers["fvu"].Value is null ? null : false };

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

using System.Numerics.Tensors;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics.Synthetic;

/// <summary>
/// Draws from a synthetic model. Sample i depends on the model's seed and i alone, so that the truth of any stored row can be
/// drawn again, in any order and on any number of threads.
/// </summary>
/// <remarks>
/// Given the correlation's common factors, features are independent with P(i fires) = Q((t_i - A_i . e) / sqrt(delta_i)); so it is
/// exact to draw only roots, free features and children of parents that fired, and the rest need no number at all.
/// </remarks>
public sealed class SyntheticSampler
{
    private readonly SyntheticModel model;
    private readonly double[] thresholds, inverses;
    private readonly int[] unparented;
    private readonly float[] unparentedFactor;
    private readonly int rank, width;

    /// <summary>Prepares to draw.</summary>
    /// <param name="model">The truth.</param>
    public SyntheticSampler(SyntheticModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        this.model = model;
        (width, rank) = (model.Config.HiddenDim, model.Config.Correlation?.Rank ?? 0);
        thresholds = NormalTail.Thresholds(model.Probabilities);
        inverses = [.. model.Diagonal.Select(own => 1 / Math.Sqrt(own))];
        unparented = [.. Enumerable.Range(0, model.Config.NumFeatures).Where(i => model.Trees.Parents[i] < 0)];
        // Column by column, so that a common factor is added to all features at once.
        unparentedFactor = new float[unparented.Length * rank];
        for (int i = 0; i < unparented.Length; i++)
        {
            for (int r = 0; r < rank; r++) unparentedFactor[(r * unparented.Length) + i] = model.Factor[(unparented[i] * rank) + r];
        }
    }

    /// <summary>Draws consecutive samples.</summary>
    /// <param name="first">Index of the first.</param>
    /// <param name="rows">How many.</param>
    /// <param name="x">Receives the activations [rows, d]; null where only the truth is wanted.</param>
    /// <returns>The true activations a [rows, n].</returns>
    public SparseCode Draw(long first, int rows, float[]? x) => Draw([.. Enumerable.Range(0, rows).Select(row => first + row)], x);

    /// <summary>Draws given samples.</summary>
    /// <param name="indices">Their indices.</param>
    /// <param name="x">Receives the activations [rows, d]; null where only the truth is wanted.</param>
    /// <returns>The true activations a [rows, n].</returns>
    public SparseCode Draw(IReadOnlyList<long> indices, float[]? x)
    {
        ArgumentNullException.ThrowIfNull(indices);
        var drawn = new (int Feature, float Value)[indices.Count][];
        Parallel.For(0, indices.Count, () => new Scratch(unparented.Length, rank), (row, _, scratch) =>
        {
            var random = new SeededRandom(model.Config.Seed, indices[row] + 1_000_000);
            drawn[row] = Features(random, scratch);
            if (x is not null) Mix(drawn[row], random, x.AsSpan(row * width, width));
            return scratch;
        }, _ => { });
        int[] offsets = new int[drawn.Length + 1];
        for (int row = 0; row < drawn.Length; row++) offsets[row + 1] = offsets[row] + drawn[row].Length;
        return new SparseCode
        {
            Rows = drawn.Length,
            DSae = model.Config.NumFeatures,
            RowOffsets = offsets,
            Features = [.. drawn.SelectMany(row => row).Select(entry => entry.Feature)],
            Values = [.. drawn.SelectMany(row => row).Select(entry => entry.Value)],
        };
    }

    /// <summary>Fresh samples without end, in batches: nothing is stored, and every batch can be drawn again.</summary>
    /// <param name="rows">Rows in a batch.</param>
    /// <param name="firstBatch">Number of the batch to begin with, from 0.</param>
    public IEnumerable<ActivationBatch> Batches(int rows, long firstBatch = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        for (long batch = firstBatch; ; batch++)
        {
            long[] samples = [.. Enumerable.Range(0, rows).Select(row => (batch * rows) + row)];
            float[] x = new float[rows * width];
            Draw(samples, x);
            yield return new ActivationBatch
            {
                Rows = rows,
                DModel = width,
                Index = batch,
                Values = x,
                Documents = [.. samples.Select(sample => (int)(sample / SyntheticStore.DocumentRows))],
                Positions = [.. samples.Select(sample => (int)(sample % SyntheticStore.DocumentRows))],
                Tokens = new int[rows],
            };
        }
    }

    private (int Feature, float Value)[] Features(SeededRandom random, Scratch scratch)
    {
        Span<float> common = scratch.Common, latent = scratch.Latent;
        latent.Clear();
        for (int r = 0; r < rank; r++)
        {
            common[r] = (float)random.NextNormal();
            TensorPrimitives.MultiplyAdd(unparentedFactor.AsSpan(r * latent.Length, latent.Length), common[r], latent, latent);
        }
        List<(int Feature, float Value)> active = scratch.Active;
        active.Clear();
        for (int i = 0; i < unparented.Length; i++)
        {
            if (Fires(unparented[i], latent[i], random) && Magnitude(unparented[i], random) is > 0 and var value) active.Add((unparented[i], value));
        }
        // What is added here are children; they come after their parents and are looked at in turn.
        for (int i = 0; i < active.Count; i++) AddChildren(active[i], common, random, active);
        active.Sort((a, b) => a.Feature.CompareTo(b.Feature));
        return [.. active];
    }

    private void AddChildren((int Feature, float Value) parent, ReadOnlySpan<float> common, SeededRandom random, List<(int Feature, float Value)> active)
    {
        int children = model.Trees.ChildCount[parent.Feature], first = model.Trees.FirstChild[parent.Feature], before = active.Count;
        if (children == 0) return;
        double mean = model.Means[parent.Feature] > 0 ? model.Means[parent.Feature] : 1;
        double scale = model.Config.Hierarchy!.ScaleChildrenByParent ? parent.Value / mean : 1;
        for (int child = first; child < first + children; child++)
        {
            float latent = rank > 0 ? TensorPrimitives.Dot(model.Factor.AsSpan(child * rank, rank), common) : 0;
            if (Fires(child, latent, random) && (float)(Magnitude(child, random) * scale) is > 0 and var value) active.Add((child, value));
        }
        if (active.Count - before < 2 || !model.Trees.Exclusive[parent.Feature]) return;
        (int Feature, float Value) kept = active[before + random.Next(active.Count - before)];
        active.RemoveRange(before, active.Count - before);
        active.Add(kept);
    }

    private bool Fires(int feature, float latent, SeededRandom random)
    {
        double chance = rank == 0 ? model.Probabilities[feature] : NormalTail.Above((thresholds[feature] - latent) * inverses[feature]);
        return random.NextDouble() < chance;
    }

    private float Magnitude(int feature, SeededRandom random)
    {
        double deviation = model.Deviations[feature];
        return (float)Math.Max(0, model.Means[feature] + (deviation > 0 ? deviation * random.NextNormal() : 0));
    }

    private void Mix((int Feature, float Value)[] entries, SeededRandom random, Span<float> x)
    {
        model.Bias.CopyTo(x);
        foreach ((int feature, float value) in entries) TensorPrimitives.MultiplyAdd(model.Directions.AsSpan(feature * width, width), value, x, x);
        if (model.Config.Noise == 0) return;
        for (int j = 0; j < x.Length; j++) x[j] += (float)(model.Config.Noise * random.NextNormal());
    }

    private sealed class Scratch(int unparented, int rank)
    {
        public float[] Latent { get; } = new float[unparented];

        public float[] Common { get; } = new float[rank];

        public List<(int Feature, float Value)> Active { get; } = [];
    }
}

using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Metrics.Synthetic;

/// <summary>
/// A dictionary against the truth of synthetic data.
/// <code>
/// C_ij = |cos(W_dec_i, f_j)|     MCC: mean of C over the one-to-one pairing with the largest sum     best(i) = argmax_j C_ij
/// precision, recall, F1 of latent i as a detector of best(i), 0 where undefined; means over all latents, dead ones too
/// </code>
/// </summary>
/// <remarks>
/// As SynthSAEBench has them (SAELens sae_lens/synthetic/evals.py), with 64-bit counts. Absorption is ours: of the tokens on which
/// a parent and one of its children are both active, those where the latent of the parent is silent and that of the child fires,
/// averaged over parents that have a latent of cosine 0.5 or more.
/// </remarks>
internal sealed class GroundTruth
{
    private const int Chunk = 1024;
    private const float Recovered = 0.5f;
    private const string NoFamily = "no parent with a latent was active together with a child";
    private static readonly ImmutableArray<MetricDefinition> Definitions =
    [
        new("mcc", "", Better.Higher, "mean of |cos(decoder row, true feature)| over the one-to-one pairing with the largest sum", ""),
        new("mmcs_dictionary_to_truth", "", Better.Higher, "mean over latents i of max_j cos(W_dec_i, f_j)", ""),
        new("mmcs_truth_to_dictionary", "", Better.Higher, "mean over true features j of max_i cos(W_dec_i, f_j)", ""),
        new("recovered_fraction", "", Better.Higher, "share of true features j with max_i cos(W_dec_i, f_j) > 0.9", ""),
        new("uniqueness", "", Better.Higher, "number of different best(i) / number of latents, best(i) = argmax_j |cos(W_dec_i, f_j)|", ""),
        new("precision", "", Better.Higher, "mean over latents i of the share of its firings on which best(i) is active; 0 where it never fires", ""),
        new("recall", "", Better.Higher, "mean over latents i of the share of tokens with best(i) active on which it fires; 0 where there is none", ""),
        new("f1", "", Better.Higher, "mean over latents of 2 precision recall / (precision + recall), 0 where undefined", ""),
        new("accuracy", "", Better.Higher, "mean over latents i of the share of tokens on which it fires just if best(i) is active", ""),
        new("dead_latents", "latents", Better.Lower, "latents that fire on no evaluated token", ""),
        new("activation_ratio", "", Better.Neither, "sum of f_i |W_dec_i| / sum of true activation of best(i), over tokens where both are above 0", "no latent fires with its feature"),
        new("absorption", "", Better.Lower, "mean over recovered parents of the share of tokens, parent and child both active, where the parent's latent is silent and the child's fires", NoFamily),
    ];

    private readonly SparseAutoencoder sae;
    private readonly SyntheticModel truth;
    private readonly SyntheticSampler sampler;
    private readonly int[] best, latentOf;
    private readonly float[] latentCosine, norms;
    private readonly double[] matching;
    private readonly long[] fired, hits, active, families, absorbed;
    private readonly float[] trueValues;
    private double firedSum, trueSum;
    private long tokens;

    /// <summary>Compares directions; rows come after.</summary>
    /// <param name="sae">The dictionary.</param>
    /// <param name="truth">What made the data.</param>
    /// <exception cref="UserErrorException">Their widths differ.</exception>
    internal GroundTruth(SparseAutoencoder sae, SyntheticModel truth)
    {
        if (sae.Config.DModel != truth.Config.HiddenDim) throw new UserErrorException($"the dictionary is {sae.Config.DModel} wide; the true features are {truth.Config.HiddenDim} wide", "evaluate on the store that the dictionary was trained on");
        (this.sae, this.truth, sampler) = (sae, truth, new(truth));
        int dSae = sae.Config.DSae, n = truth.Config.NumFeatures;
        (fired, hits, active, families, absorbed, trueValues) = (new long[dSae], new long[dSae], new long[n], new long[n], new long[n], new float[n]);
        using var still = no_grad();
        using var scope = NewDisposeScope();
        Tensor lengths = sae.WDec.norm(1);
        norms = TensorMemory.Floats(lengths.contiguous()).ToArray();
        float[] cosines = Cosines(sae.WDec / lengths.clamp(1e-8).unsqueeze(1), TensorMemory.FromFloats(truth.Directions, n, truth.Config.HiddenDim));
        (best, latentOf, latentCosine, double toTruth, double toDictionary) = Nearest(cosines, dSae, n);
        matching = [Mcc(cosines, dSae, n), toTruth, toDictionary, latentCosine.Count(cosine => cosine > 0.9f) / (double)n, best.Distinct().Count() / (double)dSae];
    }

    /// <summary>Adds evaluated rows; their truth is drawn again.</summary>
    /// <param name="batch">Rows of the synthetic store.</param>
    internal void Add(ActivationBatch batch)
    {
        SparseCode code = sae.EncodeSparse(batch.Values.AsSpan(0, batch.Rows * batch.DModel), batch.Rows);
        SparseCode real = sampler.Draw([.. Enumerable.Range(0, batch.Rows).Select(row => SyntheticStore.SampleOf(batch.Documents[row], batch.Positions[row]))], null);
        for (int row = 0; row < batch.Rows; row++) AddRow(code.FeaturesOf(row), code.ValuesOf(row), real.FeaturesOf(row), real.ValuesOf(row));
        tokens += batch.Rows;
    }

    /// <summary>The numbers, by name.</summary>
    /// <param name="split">Where the rows come from.</param>
    internal IReadOnlyDictionary<string, MetricValue> Compute(string split)
    {
        double precision = 0, recall = 0, f1 = 0, accuracy = 0;
        for (int i = 0; i < fired.Length; i++)
        {
            double p = fired[i] > 0 ? (double)hits[i] / fired[i] : 0, r = active[best[i]] > 0 ? (double)hits[i] / active[best[i]] : 0;
            (precision, recall, f1) = (precision + p, recall + r, f1 + (p + r > 0 ? 2 * p * r / (p + r) : 0));
            accuracy += tokens > 0 ? 1 - ((fired[i] + active[best[i]] - (2.0 * hits[i])) / tokens) : 0;
        }
        double[] rates = [.. Enumerable.Range(0, families.Length).Where(parent => families[parent] > 0).Select(parent => (double)absorbed[parent] / families[parent])];
        double n = tokens > 0 ? fired.Length : double.NaN;
        double[] values =
        [
            .. matching, precision / n, recall / n, f1 / n, accuracy / n, tokens > 0 ? fired.Count(count => count == 0) : double.NaN,
            trueSum > 0 ? firedSum / trueSum : double.NaN, rates.Length > 0 ? rates.Average() : double.NaN,
        ];
        Interval none = Interval.None("a mean over features, not over documents");
        return Definitions.Select((definition, i) => (definition, i)).ToDictionary(pair => pair.definition.Name, pair => MetricValue.Of(pair.definition, values[pair.i], tokens, split, none));
    }

    private void AddRow(ReadOnlySpan<int> latents, ReadOnlySpan<float> activations, ReadOnlySpan<int> features, ReadOnlySpan<float> values)
    {
        for (int j = 0; j < features.Length; j++)
        {
            trueValues[features[j]] = values[j];
            active[features[j]]++;
        }
        for (int i = 0; i < latents.Length; i++)
        {
            if (!(activations[i] > 0)) continue;
            fired[latents[i]]++;
            float wanted = trueValues[best[latents[i]]];
            if (!(wanted > 0)) continue;
            hits[latents[i]]++;
            firedSum += activations[i] * norms[latents[i]];
            trueSum += wanted;
        }
        foreach (int feature in features) AddFamily(feature, latents, activations);
        foreach (int feature in features) trueValues[feature] = 0;
    }

    private void AddFamily(int child, ReadOnlySpan<int> latents, ReadOnlySpan<float> activations)
    {
        int parent = truth.Trees.Parents[child];
        if (parent < 0 || latentCosine[parent] < Recovered || latentOf[parent] == latentOf[child]) return;
        families[parent]++;
        if (!Fires(latentOf[parent], latents, activations) && Fires(latentOf[child], latents, activations)) absorbed[parent]++;
    }

    private static bool Fires(int latent, ReadOnlySpan<int> latents, ReadOnlySpan<float> activations) => latents.BinarySearch(latent) is >= 0 and var at && activations[at] > 0;

    // cos(W_dec_i, f_j) [d_sae, n].
    private static float[] Cosines(Tensor decoder, Tensor truth)
    {
        int rows = (int)decoder.shape[0], columns = (int)truth.shape[0];
        float[] cosines = new float[(long)rows * columns];
        for (int start = 0; start < rows; start += Chunk)
        {
            using var scope = NewDisposeScope();
            int count = Math.Min(Chunk, rows - start);
            TensorMemory.Floats(decoder.narrow(0, start, count).mm(truth.t()).contiguous()).CopyTo(cosines.AsSpan(start * columns));
        }
        return cosines;
    }

    private static (int[] Best, int[] LatentOf, float[] LatentCosine, double ToTruth, double ToDictionary) Nearest(float[] cosines, int rows, int columns)
    {
        int[] best = new int[rows], latentOf = new int[columns];
        float[] latentCosine = new float[columns];
        Array.Fill(latentCosine, float.NegativeInfinity);
        double toTruth = 0;
        for (int i = 0; i < rows; i++)
        {
            ReadOnlySpan<float> row = cosines.AsSpan(i * columns, columns);
            best[i] = System.Numerics.Tensors.TensorPrimitives.IndexOfMaxMagnitude(row);
            toTruth += System.Numerics.Tensors.TensorPrimitives.Max(row);
            for (int j = 0; j < columns; j++)
            {
                if (row[j] > latentCosine[j]) (latentCosine[j], latentOf[j]) = (row[j], i);
            }
        }
        return (best, latentOf, latentCosine, toTruth / rows, latentCosine.Average(cosine => (double)cosine));
    }

    private static double Mcc(float[] cosines, int rows, int columns)
    {
        bool wide = rows <= columns;
        float[] costs = new float[cosines.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++) costs[wide ? (i * columns) + j : (j * rows) + i] = 1 - Math.Abs(cosines[(i * columns) + j]);
        }
        (int fewer, int more) = wide ? (rows, columns) : (columns, rows);
        int[] pairs = Assignment.Solve(costs, fewer, more);
        return pairs.Select((column, row) => 1.0 - costs[(row * more) + column]).Average();
    }
}

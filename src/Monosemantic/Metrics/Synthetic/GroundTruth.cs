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
    private const int Chunk = 1024, Sums = 3;
    private const float Recovered = 0.5f;
    private const string NoFamily = "no parent with a latent was active together with a child";
    /// <summary>What each number is.</summary>
    internal static ImmutableArray<MetricDefinition> Definitions { get; } =
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
        new("true_l0", "features per token", Better.Neither, "mean over tokens of the number of true features that are active", "no token was evaluated"),
        new("dead_latents", "latents", Better.Lower, "latents that fire on no evaluated token", ""),
        new("activation_ratio", "", Better.Neither, "sum of f_i |W_dec_i| / sum of true activation of best(i), over tokens where both are above 0", "no latent fires with its feature"),
        new("absorption", "", Better.Lower, "mean over recovered parents of the share of tokens, parent and child both active, where the parent's latent is silent and the child's fires", NoFamily),
    ];

    private static readonly string[] Shares = ["precision", "recall", "f1", "accuracy", "absorption"];

    private readonly SparseAutoencoder sae;
    private readonly SyntheticModel truth;
    private readonly SyntheticSampler sampler;
    private readonly int[] best, latentOf;
    private readonly float[] latentCosine, norms;
    private readonly double[] matching;
    private readonly float[] trueValues;
    private readonly int dSae, features;

    // Five counts in a row: firings and hits of each latent; activity, families and absorptions of each feature.
    private readonly ResampledCounts counts;

    // Tokens, sum of latent activations and sum of true ones: of the open document, of all, of each resample.
    private readonly double[] openSums = new double[Sums], sums = new double[Sums], resampledSums = new double[Sums * ResampledCounts.Resamples];
    private int document;
    private long documents;

    /// <summary>Compares directions; rows come after.</summary>
    /// <param name="sae">The dictionary.</param>
    /// <param name="truth">What made the data.</param>
    /// <exception cref="UserErrorException">Their widths differ.</exception>
    internal GroundTruth(SparseAutoencoder sae, SyntheticModel truth)
    {
        if (sae.Config.DModel != truth.Config.HiddenDim) throw new UserErrorException($"the dictionary is {sae.Config.DModel} wide; the true features are {truth.Config.HiddenDim} wide", "evaluate on the store that the dictionary was trained on");
        (this.sae, this.truth, sampler) = (sae, truth, new(truth));
        int n = truth.Config.NumFeatures;
        (dSae, features, trueValues, counts) = (sae.Config.DSae, n, new float[n], new((2 * sae.Config.DSae) + (3 * n)));
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
        for (int row = 0; row < batch.Rows; row++)
        {
            if (batch.Documents[row] != document) Close();
            document = batch.Documents[row];
            openSums[0]++;
            AddRow(code.FeaturesOf(row), code.ValuesOf(row), real.FeaturesOf(row), real.ValuesOf(row));
        }
    }

    /// <summary>The numbers, by name.</summary>
    /// <param name="split">Where the rows come from.</param>
    internal IReadOnlyDictionary<string, MetricValue> Compute(string split)
    {
        Close();
        double[] values = Values(thing => counts.Totals[thing], sums);
        double[][] samples = documents < 2 ? [] : [.. Enumerable.Range(0, ResampledCounts.Resamples).Select(i => Values(thing => counts.Resampled(thing, i), resampledSums.AsSpan(i * Sums, Sums)))];
        Interval none = Interval.None("it depends on the weights alone");
        return Definitions.Select((definition, i) => (definition, i)).ToDictionary(pair => pair.definition.Name, pair => MetricValue.Of(
            pair.definition, values[pair.i], (long)sums[0], split, pair.i < matching.Length ? none : Interval.About(values[pair.i], [.. samples.Select(sample => sample[pair.i])], 0, Shares.Contains(pair.definition.Name) ? 1 : double.MaxValue)));
    }

    private double[] Values(Func<int, double> count, ReadOnlySpan<double> of)
    {
        double precision = 0, recall = 0, f1 = 0, accuracy = 0, dead = 0, activity = 0, tokens = of[0];
        for (int i = 0; i < dSae; i++)
        {
            double fired = count(i), hits = count(dSae + i), active = count((2 * dSae) + best[i]);
            double p = fired > 0 ? hits / fired : 0, r = active > 0 ? hits / active : 0;
            (precision, recall, f1) = (precision + p, recall + r, f1 + (p + r > 0 ? 2 * p * r / (p + r) : 0));
            accuracy += tokens > 0 ? 1 - ((fired + active - (2 * hits)) / tokens) : 0;
            if (fired == 0) dead++;
        }
        double rates = 0, parents = 0;
        for (int feature = 0, at = 2 * dSae; feature < features; feature++)
        {
            activity += count(at + feature);
            double families = count(at + features + feature);
            if (families > 0) (rates, parents) = (rates + (count(at + (2 * features) + feature) / families), parents + 1);
        }
        double n = tokens > 0 ? dSae : double.NaN;
        return
        [
            .. matching, precision / n, recall / n, f1 / n, accuracy / n, tokens > 0 ? activity / tokens : double.NaN, tokens > 0 ? dead : double.NaN,
            of[2] > 0 ? of[1] / of[2] : double.NaN, parents > 0 ? rates / parents : double.NaN,
        ];
    }

    private void Close()
    {
        if (openSums[0] == 0) return;
        ReadOnlySpan<float> weights = counts.Close(document);
        for (int sum = 0; sum < Sums; sum++)
        {
            sums[sum] += openSums[sum];
            for (int i = 0; i < weights.Length; i++) resampledSums[(i * Sums) + sum] += weights[i] * openSums[sum];
        }
        Array.Clear(openSums);
        documents++;
    }

    private void AddRow(ReadOnlySpan<int> latents, ReadOnlySpan<float> activations, ReadOnlySpan<int> truths, ReadOnlySpan<float> values)
    {
        for (int j = 0; j < truths.Length; j++)
        {
            trueValues[truths[j]] = values[j];
            counts.Add((2 * dSae) + truths[j]);
        }
        for (int i = 0; i < latents.Length; i++)
        {
            if (!(activations[i] > 0)) continue;
            counts.Add(latents[i]);
            float wanted = trueValues[best[latents[i]]];
            if (!(wanted > 0)) continue;
            counts.Add(dSae + latents[i]);
            openSums[1] += activations[i] * norms[latents[i]];
            openSums[2] += wanted;
        }
        foreach (int feature in truths) AddFamily(feature, latents, activations);
        foreach (int feature in truths) trueValues[feature] = 0;
    }

    private void AddFamily(int child, ReadOnlySpan<int> latents, ReadOnlySpan<float> activations)
    {
        int parent = truth.Trees.Parents[child];
        if (parent < 0 || latentCosine[parent] < Recovered || latentOf[parent] == latentOf[child]) return;
        counts.Add((2 * dSae) + features + parent);
        if (!Fires(latentOf[parent], latents, activations) && Fires(latentOf[child], latents, activations)) counts.Add((2 * dSae) + (2 * features) + parent);
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

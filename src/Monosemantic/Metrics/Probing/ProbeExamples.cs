using Monosemantic.Dictionaries;
using Monosemantic.Runtime;

namespace Monosemantic.Metrics.Probing;

/// <summary>What a probe reads, an example at a time: tokens, or documents as the mean over their tokens.</summary>
internal sealed class ProbeExamples
{
    /// <summary>Activations [n, d_model].</summary>
    public required float[] X { get; init; }

    /// <summary>Width of an activation.</summary>
    public required int DModel { get; init; }

    /// <summary>Feature activations [n, d_sae].</summary>
    public required SparseCode Code { get; init; }

    /// <summary>Document of each example [n].</summary>
    public required int[] Documents { get; init; }

    /// <summary>The tokens of a sample as examples.</summary>
    internal static ProbeExamples OfTokens(ProbeRows rows) => new() { X = rows.X, DModel = rows.DModel, Code = rows.Code, Documents = rows.Documents };

    /// <summary>The documents of a sample as examples: means over the sampled tokens of each, as SAEBench has them.</summary>
    internal static ProbeExamples OfDocuments(ProbeRows rows)
    {
        IGrouping<int, int>[] groups = [.. Enumerable.Range(0, rows.Rows).GroupBy(row => rows.Documents[row])];
        float[] x = new float[groups.Length * rows.DModel];
        int[] offsets = new int[groups.Length + 1];
        List<int> features = [];
        List<float> values = [];
        for (int i = 0; i < groups.Length; i++)
        {
            var sums = new SortedDictionary<int, float>();
            float share = 1f / groups[i].Count();
            Span<float> to = x.AsSpan(i * rows.DModel, rows.DModel);
            foreach (int row in groups[i])
            {
                System.Numerics.Tensors.TensorPrimitives.MultiplyAdd(rows.Row(row), share, to, to);
                ReadOnlySpan<int> fired = rows.Code.FeaturesOf(row);
                for (int at = 0; at < fired.Length; at++) sums[fired[at]] = sums.GetValueOrDefault(fired[at]) + (share * rows.Code.ValuesOf(row)[at]);
            }
            features.AddRange(sums.Keys);
            values.AddRange(sums.Values);
            offsets[i + 1] = features.Count;
        }
        var code = new SparseCode { Rows = groups.Length, DSae = rows.Code.DSae, RowOffsets = offsets, Features = [.. features], Values = [.. values] };
        return new() { X = x, DModel = rows.DModel, Code = code, Documents = [.. groups.Select(group => group.Key)] };
    }

    /// <summary>Chosen examples of which half are yes, in random order.</summary>
    /// <param name="labels">Answers of all examples.</param>
    /// <param name="most">Most examples of either answer.</param>
    /// <param name="seed">Seed of the choice.</param>
    internal static int[] Balanced(bool[] labels, int most, long seed)
    {
        int[] yes = [.. Enumerable.Range(0, labels.Length).Where(i => labels[i])], no = [.. Enumerable.Range(0, labels.Length).Where(i => !labels[i])];
        var random = new SeededRandom(seed);
        random.Shuffle(yes.AsSpan());
        random.Shuffle(no.AsSpan());
        int count = Math.Min(most, Math.Min(yes.Length, no.Length));
        int[] chosen = [.. yes.Take(count), .. no.Take(count)];
        random.Shuffle(chosen.AsSpan());
        return chosen;
    }

    /// <summary>Activations of chosen examples [m, d_model].</summary>
    internal float[] Raw(int[] chosen)
    {
        float[] values = new float[chosen.Length * DModel];
        for (int i = 0; i < chosen.Length; i++) X.AsSpan(chosen[i] * DModel, DModel).CopyTo(values.AsSpan(i * DModel));
        return values;
    }

    /// <summary>Some coordinates of chosen examples [m, k]: of the activation, or of the feature activations.</summary>
    internal float[] Columns(int[] chosen, int[] columns, bool features)
    {
        float[] values = new float[chosen.Length * columns.Length];
        for (int i = 0; i < chosen.Length; i++)
        {
            for (int j = 0; j < columns.Length; j++) values[(i * columns.Length) + j] = features ? FeatureAt(chosen[i], columns[j]) : X[(chosen[i] * DModel) + columns[j]];
        }
        return values;
    }

    /// <summary>The coordinates whose mean differs most between yes and no, most first.</summary>
    /// <param name="chosen">Examples, as many yes as no.</param>
    /// <param name="labels">Answers of all examples.</param>
    /// <param name="count">How many.</param>
    /// <param name="features">Of the feature activations rather than of the activation.</param>
    /// <param name="risingOnly">Whether only those count that are larger where the answer is yes.</param>
    internal int[] MostDifferent(int[] chosen, bool[] labels, int count, bool features, bool risingOnly = false)
    {
        double[] difference = new double[features ? Code.DSae : DModel];
        double yes = 1.0 / Math.Max(1, chosen.Count(i => labels[i])), no = -1.0 / Math.Max(1, chosen.Count(i => !labels[i]));
        foreach (int i in chosen)
        {
            double weight = labels[i] ? yes : no;
            if (features)
            {
                ReadOnlySpan<int> fired = Code.FeaturesOf(i);
                for (int at = 0; at < fired.Length; at++) difference[fired[at]] += weight * Code.ValuesOf(i)[at];
            }
            else
            {
                for (int j = 0; j < DModel; j++) difference[j] += weight * X[(i * DModel) + j];
            }
        }
        return [.. Enumerable.Range(0, difference.Length).Where(j => !risingOnly || difference[j] > 0).OrderByDescending(j => Math.Abs(difference[j])).Take(count)];
    }

    private float FeatureAt(int example, int feature) => Code.FeaturesOf(example).BinarySearch(feature) is >= 0 and var at ? Code.ValuesOf(example)[at] : 0;
}

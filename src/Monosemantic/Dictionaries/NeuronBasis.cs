using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Monosemantic.Activations;
using Monosemantic.Models;

namespace Monosemantic.Dictionaries;

/// <summary>
/// The raw neurons of a hook point as a code that can be held against a dictionary's: at each token the k neurons with the
/// largest positive activation fire, k being the dictionary's L0, so that both sides say as much about a token.
/// </summary>
/// <remarks>
/// A dimension of the residual stream has no natural zero or unit, so its activation is its deviation from its own mean in
/// units of its own standard deviation: f_j = max(0, (x_j - mean_j) / deviation_j). An MLP neuron has both, so f_j = max(0, x_j).
/// Ties at the k-th place go to the lower index.
/// </remarks>
public sealed class NeuronBasis
{
    private readonly int k;
    private readonly float[]? mean;
    private readonly float[]? scale;

    private NeuronBasis(int width, int k, float[]? mean, float[]? scale, string definition)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(k);
        Width = width;
        this.k = Math.Min(k, width);
        this.mean = mean;
        this.scale = scale;
        Definition = definition;
    }

    /// <summary>Number of neurons.</summary>
    public int Width { get; }

    /// <summary>One sentence for readers: what a neuron is here and when it fires.</summary>
    public string Definition { get; }

    /// <summary>The neurons of a store's hook point, as many of them to a token as a dictionary has features.</summary>
    /// <param name="store">The activations; their mean and variance are the store's own.</param>
    /// <param name="sae">The dictionary: k is its own, or, where a threshold decides, its mean L0 on the first rows.</param>
    public static NeuronBasis Of(ActivationStore store, SparseAutoencoder sae)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(sae);
        int k = sae.Config.K > 0 ? sae.Config.K : FeaturesPerToken(store, sae);
        HookPoint? at = HookPoint.CanonicalName(store.Plan.HookPoint) is { } known ? HookPoint.Parse(known) : null;
        if (at?.Site == HookSite.MlpPost) return OfMlp(store.DModel, k);
        StoreStatistics statistics = store.Manifest.Statistics;
        return OfResidual(statistics.Mean, [.. statistics.Variance.Select(Math.Sqrt)], k, at is { } point && IsResidual(point.Site) ? "the residual stream" : store.Plan.HookPoint);
    }

    /// <summary>Dimensions of the residual stream, as deviations from their mean.</summary>
    /// <param name="mean">Mean of each dimension [width].</param>
    /// <param name="deviation">Standard deviation of each dimension [width]; one that is 0 never fires.</param>
    /// <param name="k">Neurons that may fire per token, at least 1.</param>
    /// <param name="place">What the dimensions are of, for the definition that readers see.</param>
    public static NeuronBasis OfResidual(IReadOnlyCollection<double> mean, IReadOnlyCollection<double> deviation, int k, string place = "the residual stream")
    {
        ArgumentNullException.ThrowIfNull(mean);
        ArgumentNullException.ThrowIfNull(deviation);
        float[] scale = [.. deviation.Select(value => value > 0 ? (float)(1 / value) : 0)];
        return new(mean.Count, k, [.. mean.Select(value => (float)value)], scale,
            $"A neuron is one of the {mean.Count} dimensions of {place}; its activation is how far it lies above its own mean, in its own standard deviations, and at each token the {Math.Min(k, mean.Count)} largest positive ones fire.");
    }

    /// <summary>Neurons of an MLP, as they are.</summary>
    /// <param name="width">Number of neurons, d_mlp.</param>
    /// <param name="k">Neurons that may fire per token, at least 1.</param>
    public static NeuronBasis OfMlp(int width, int k) => new(width, k, null, null,
        $"A neuron is one of the {width} hidden units of the MLP; its activation is what it outputs, and at each token the {Math.Min(k, width)} largest positive ones fire.");

    /// <summary>What one of a neuron's units of activation is in the hook point's: its standard deviation, or 1 for a neuron of an MLP.</summary>
    /// <param name="neuron">The neuron; one that never varies has 0.</param>
    public float UnitOf(int neuron) => scale is null ? 1 : scale[neuron] > 0 ? 1 / scale[neuron] : 0;

    /// <summary>The code of a batch of activations.</summary>
    /// <param name="batch">Activations [n, width].</param>
    /// <returns>[n, width], at most k entries a row.</returns>
    public SparseCode Encode(ActivationBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.DModel != Width) throw new ArgumentException($"activations of width {batch.DModel} for {Width} neurons", nameof(batch));
        return Encode(batch.Span, batch.Rows);
    }

    /// <summary>The code of some activations.</summary>
    /// <param name="values">Activations [n, width].</param>
    /// <param name="rows">n.</param>
    /// <returns>[n, width], at most k entries a row.</returns>
    public unsafe SparseCode Encode(ReadOnlySpan<float> values, int rows)
    {
        if (values.Length != (long)rows * Width) throw new ArgumentException($"{values.Length} activations for {rows} rows of {Width} neurons", nameof(values));
        var chosen = new int[rows * k];
        var activations = new float[rows * k];
        var counts = new int[rows];
        const int rowsPerTask = 128;
        fixed (float* first = values)
        {
            nint x = (nint)first;
            Parallel.For(0, (rows + rowsPerTask - 1) / rowsPerTask, task =>
            {
                var keys = new ulong[Width];
                float bar = 0;
                int last = Math.Min(rows, (task + 1) * rowsPerTask);
                for (int row = task * rowsPerTask; row < last; row++)
                {
                    var own = new ReadOnlySpan<float>((float*)x + ((long)row * Width), Width);
                    counts[row] = EncodeRow(own, keys, ref bar, chosen.AsSpan(row * k, k), activations.AsSpan(row * k, k));
                }
            });
        }
        return Packed(rows, counts, chosen, activations);
    }

    private static int FeaturesPerToken(ActivationStore store, SparseAutoencoder sae)
    {
        const int rowsRead = 4096;
        ActivationBatch first = store.Read(rowsRead).First();
        return Math.Max(1, (int)Math.Round(sae.EncodeSparse(first.Span, first.Rows).Count / (double)first.Rows));
    }

    private static bool IsResidual(HookSite site) =>
        site is HookSite.Embed or HookSite.PosEmbed or HookSite.ResidPre or HookSite.ResidMid or HookSite.ResidPost;

    // The bar starts a little below the k-th largest of the row before, so that few values are looked at twice; where fewer
    // than k pass it, all above 0 are taken. So it changes the time but never the result.
    private int EncodeRow(ReadOnlySpan<float> x, Span<ulong> keys, ref float bar, Span<int> chosen, Span<float> values)
    {
        int passed = Above(x, bar, keys);
        if (passed < k && bar > 0) passed = Above(x, 0, keys);
        int count = Math.Min(k, passed);
        MoveLargestFirst(keys[..passed], count);
        for (int i = 0; i < count; i++) chosen[i] = RankOrder.IndexOf(keys[i]);
        chosen[..count].Sort();
        float least = float.PositiveInfinity;
        for (int i = 0; i < count; i++)
        {
            values[i] = ActivationOf(x, chosen[i]);
            least = Math.Min(least, values[i]);
        }
        bar = count == k && float.IsFinite(least) ? 0.8f * least : 0;
        return count;
    }

    // NaN goes in too, so that the scan can refuse it by name. Bits of positive floats sort as the floats do.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Above(ReadOnlySpan<float> x, float bar, Span<ulong> keys)
    {
        int passed = 0, j = 0, lanes = Vector256<float>.Count;
        for (; j <= x.Length - lanes; j += lanes)
        {
            Vector256<float> activations = Vector256.Create(x[j..]);
            if (mean is not null) activations = (activations - Vector256.Create(mean.AsSpan(j))) * Vector256.Create(scale.AsSpan(j));
            uint at = ~Vector256.LessThanOrEqual(activations, Vector256.Create(bar)).ExtractMostSignificantBits() & 0xFF;
            for (; at != 0; at &= at - 1) keys[passed++] = KeyOf(x, j + BitOperations.TrailingZeroCount(at));
        }
        for (; j < x.Length; j++)
        {
            if (!(ActivationOf(x, j) <= bar)) keys[passed++] = KeyOf(x, j);
        }
        return passed;
    }

    private ulong KeyOf(ReadOnlySpan<float> x, int j) => ((ulong)(BitConverter.SingleToUInt32Bits(ActivationOf(x, j)) & 0x7FFFFFFF) << 32) | (uint)~j;

    private float ActivationOf(ReadOnlySpan<float> x, int j) => mean is null ? x[j] : (x[j] - mean[j]) * scale![j];

    // Quickselect: afterwards the first `count` keys are the largest, in no order. Keys are distinct.
    private static void MoveLargestFirst(Span<ulong> keys, int count)
    {
        int low = 0, high = keys.Length - 1;
        while (low < high)
        {
            ulong pivot = keys[(low + high) >>> 1];
            int left = low, right = high;
            while (left <= right)
            {
                while (keys[left] > pivot) left++;
                while (keys[right] < pivot) right--;
                if (left > right) break;
                (keys[left], keys[right]) = (keys[right], keys[left]);
                left++;
                right--;
            }
            if (count - 1 <= right) high = right;
            else if (count - 1 >= left) low = left;
            else return;
        }
    }

    private SparseCode Packed(int rows, int[] counts, int[] chosen, float[] values)
    {
        var offsets = new int[rows + 1];
        for (int row = 0; row < rows; row++)
        {
            chosen.AsSpan(row * k, counts[row]).CopyTo(chosen.AsSpan(offsets[row]));
            values.AsSpan(row * k, counts[row]).CopyTo(values.AsSpan(offsets[row]));
            offsets[row + 1] = offsets[row] + counts[row];
        }
        return new SparseCode { Rows = rows, DSae = Width, RowOffsets = offsets, Features = chosen, Values = values };
    }
}

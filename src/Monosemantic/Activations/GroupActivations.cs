using System.Collections.Immutable;
using System.Numerics.Tensors;

namespace Monosemantic.Activations;

/// <summary>The rows of one forward pass at every hook point of a source, in memory that is used again for the next one.</summary>
internal sealed class GroupActivations
{
    private readonly ActivationSource source;
    private readonly bool[] given;

    public GroupActivations(ActivationSource source, int mostRows)
    {
        this.source = source;
        given = new bool[source.Hooks.Length];
        Outliers = new bool[mostRows];
        Values = [.. source.Hooks.Select(hook => new float[(long)mostRows * hook.Width])];
    }

    /// <summary>The activations of the last rows, for each hook point [n, width].</summary>
    public float[][] Values { get; }

    /// <summary>Which of the last rows are outliers [n].</summary>
    public bool[] Outliers { get; }

    /// <summary>Computes the rows of some contexts.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="outliers">Which of them are to be called outliers; null for none.</param>
    public void Compute(KeptRows rows, OutlierPolicy? outliers)
    {
        Array.Clear(given);
        source.Compute(rows.Contexts, (hook, values) =>
        {
            rows.Pick(values, source.Hooks[hook].Width, Values[hook]);
            given[hook] = true;
        });
        int missing = Array.IndexOf(given, false);
        if (missing >= 0) throw new InvalidOperationException($"the source gave no activations for {source.Hooks[missing].HookPoint}");
        for (int row = 0; row < rows.Count; row++) Outliers[row] = outliers is not null && IsOutlier(row, outliers.Sites);
    }

    /// <summary>The Euclidean norm of one of the last rows.</summary>
    public double NormOf(int hook, int row)
    {
        int width = source.Hooks[hook].Width;
        double norm = TensorPrimitives.Norm<float>(Values[hook].AsSpan(row * width, width));
        return norm;
    }

    // What is no number at all is no outlier: it has to be reported, not left out.
    private bool IsOutlier(int row, ImmutableArray<SiteNorm> sites)
    {
        for (int hook = 0; hook < sites.Length; hook++) if (NormOf(hook, row) > sites[hook].HighestNorm && double.IsFinite(NormOf(hook, row))) return true;
        return false;
    }
}

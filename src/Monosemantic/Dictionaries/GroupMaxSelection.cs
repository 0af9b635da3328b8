namespace Monosemantic.Dictionaries;

/// <summary>The largest positive pre-activation of each of k runs of neighbouring features; ties go to the lower index. Source: sparsify, groupmax.</summary>
/// <param name="bias">b_enc [width]; an address.</param>
/// <param name="groups">Number of runs; divides the width.</param>
/// <param name="width">Number of features.</param>
internal sealed unsafe class GroupMaxSelection(nint bias, int groups, int width) : RowSelector
{
    private readonly float* bias = (float*)bias;

    /// <inheritdoc/>
    internal override bool WantsWholeRows => true;

    /// <inheritdoc/>
    internal override void Select(float* product, int start, int end, ref float rowBar, TileEntries into)
    {
        int size = width / groups;
        into.Reserve(groups);
        for (int first = 0; first < width; first += size)
        {
            int best = -1;
            float largest = 0;
            for (int feature = first; feature < first + size; feature++)
            {
                float pre = product[feature] + bias[feature];
                if (pre > largest) (largest, best) = (pre, feature);
            }
            if (best >= 0) into.Add(best, largest);
        }
    }
}

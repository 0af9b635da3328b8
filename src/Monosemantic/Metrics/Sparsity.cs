using System.Collections.Immutable;
using Monosemantic.Dictionaries;

namespace Monosemantic.Metrics;

/// <summary>How often features fire.</summary>
/// <param name="Rows">Tokens counted.</param>
/// <param name="L0">Mean number of features that fire per token; null without a token.</param>
/// <param name="DeadFraction">Share of features that fired on none of the tokens; null without a token.</param>
/// <param name="Firings">Tokens on which each feature fired [d_sae].</param>
public sealed record SparsityResult(long Rows, double? L0, double? DeadFraction, ImmutableArray<long> Firings);

/// <summary>Counts firings: L0 = mean over tokens of #{i: f_i > 0}; a feature is dead if it fired on none of the added tokens.</summary>
/// <param name="dSae">Number of features that could fire.</param>
public sealed class Sparsity(int dSae)
{
    private readonly long[] firings = new long[dSae];
    private long rows;

    /// <summary>Adds tokens.</summary>
    /// <param name="code">Their feature activations [n, d_sae].</param>
    /// <exception cref="ArgumentException">It is of another dictionary's size.</exception>
    public void Add(SparseCode code)
    {
        ArgumentNullException.ThrowIfNull(code);
        if (code.DSae != dSae) throw new ArgumentException($"a code of {code.DSae} features where {dSae} are counted", nameof(code));
        rows += code.Rows;
        ReadOnlySpan<float> values = code.Values.AsSpan(0, code.Count);
        for (int entry = 0; entry < values.Length; entry++)
        {
            if (values[entry] > 0) firings[code.Features[entry]]++;
        }
    }

    /// <summary>The numbers over everything added so far.</summary>
    public SparsityResult Compute()
    {
        long all = 0, dead = 0;
        foreach (long count in firings)
        {
            all += count;
            if (count == 0) dead++;
        }
        return rows == 0 ? new(0, null, null, [.. firings]) : new(rows, (double)all / rows, (double)dead / dSae, [.. firings]);
    }
}

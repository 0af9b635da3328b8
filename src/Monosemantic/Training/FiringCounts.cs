using Monosemantic.Dictionaries;

namespace Monosemantic.Training;

/// <summary>How long each feature has not fired, in tokens or in steps, and which count as dead for that.</summary>
internal sealed class FiringCounts(SaeTrainingConfig config)
{
    /// <summary>Tokens, or steps, since each feature last fired [d_sae].</summary>
    internal long[] Since { get; } = new long[config.DSae];

    /// <summary>Counts a batch.</summary>
    /// <param name="fired">Which features fired [d_sae].</param>
    /// <param name="rows">Tokens of the batch.</param>
    internal void Count(ReadOnlySpan<bool> fired, int rows)
    {
        long more = config.DeadAfterSteps is null ? rows : 1;
        for (int feature = 0; feature < fired.Length; feature++) Since[feature] = fired[feature] ? 0 : Since[feature] + more;
    }

    /// <summary>Which features are dead.</summary>
    internal bool[] Dead() => config.DeadAfterSteps is { } steps ? Array.ConvertAll(Since, since => since > steps) : Array.ConvertAll(Since, since => since >= config.DeadAfterTokens);

    /// <summary>Which features fired at all.</summary>
    internal static unsafe bool[] Fired(FeatureEntries entries, int dSae)
    {
        var fired = new bool[dSae];
        for (int feature = 0; feature < dSae; feature++)
        {
            for (int at = entries.Offsets[feature]; at < entries.Offsets[feature + 1] && !fired[feature]; at++) fired[feature] = entries.Values[at] != 0;
        }
        return fired;
    }
}

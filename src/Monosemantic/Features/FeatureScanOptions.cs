using System.Collections.Immutable;

namespace Monosemantic.Features;

/// <summary>How much evidence a scan keeps of each unit.</summary>
public sealed record FeatureScanOptions
{
    /// <summary>Firing tokens reported per unit, at least 0.</summary>
    public int Tokens { get; init; } = 30;

    /// <summary>Strongest contexts kept per unit, at least 0.</summary>
    public int Contexts { get; init; } = 12;

    /// <summary>Tokens shown before a context's peak, fewer where the document begins.</summary>
    public int Before { get; init; } = 16;

    /// <summary>Tokens shown after a context's peak, fewer where the document ends.</summary>
    public int After { get; init; } = 8;

    /// <summary>
    /// Two contexts of a unit count as the same text where this many tokens before the peak, the peak itself and
    /// <see cref="SameTextAfter"/> tokens after it are equal; only the strongest is kept. Boilerplate would fill the list otherwise.
    /// </summary>
    public int SameTextBefore { get; init; } = 5;

    /// <summary>Tokens after the peak that take part in <see cref="SameTextBefore"/>.</summary>
    public int SameTextAfter { get; init; } = 2;

    /// <summary>log10 of the smallest activation that histograms tell apart.</summary>
    public int HistogramLow { get; init; } = -4;

    /// <summary>log10 of the largest activation that histograms tell apart.</summary>
    public int HistogramHigh { get; init; } = 4;

    /// <summary>Histogram bins per factor of ten.</summary>
    public int BinsPerDecade { get; init; } = 10;

    /// <summary>
    /// Distinct (unit, token) pairs that are counted exactly, over all units: each unit has an equal share, at least 256
    /// tokens. A unit that fires on more tokens forgets the half of its pairs with the least total activation each time its
    /// share is full, so that rare tokens' counts become lower bounds and its token entropy takes the forgotten activation as
    /// one more token; <see cref="FeatureScan.PrunedUnits"/> says how many units that befell. A pair takes 24 to 72 bytes.
    /// </summary>
    public int MaxPairs { get; init; } = 1 << 25;

    /// <summary>Firings drawn at random per unit, at least 0.</summary>
    public int Sample { get; init; } = 64;

    /// <summary>Firings drawn at random per unit, no text twice, from which the contexts of <see cref="UnitEvidence.Groups"/> are chosen.</summary>
    public int GroupSample { get; init; } = 24;

    /// <summary>Contexts shown of each group, at least 0.</summary>
    public int GroupContexts { get; init; } = 3;

    /// <summary>Neighbours kept per unit and relation, at least 0.</summary>
    public int Neighbours { get; init; } = 8;

    /// <summary>Pairs of units whose joint firings are all counted exactly, 16 bytes each: those of up to 5,793 units. With more, see <see cref="Partners"/>.</summary>
    public long MaxPairsOfUnits { get; init; } = 1L << 24;

    /// <summary>
    /// Where there are more than <see cref="MaxPairsOfUnits"/>: partners per unit whose joint firings are counted exactly, at
    /// least 2; a unit with more forgets the half of them with the least joint activation each time, so that the counts of rare
    /// partners become lower bounds. A partner takes 24 to 72 bytes.
    /// </summary>
    public int Partners { get; init; } = 512;

    /// <summary>Most pairs of a feature and a dimension of the hook point whose correlation is followed, 8 bytes each; with more, none is.</summary>
    public long MaxCorrelations { get; init; } = 1L << 27;

    /// <summary>Seed of the random draws.</summary>
    public long Seed { get; init; }

    /// <summary>Rows worked on at once: the more, the longer each unit's tables stay in the processor's cache. Changes speed and memory, never the result.</summary>
    public int ChunkRows { get; init; } = 65536;

    /// <summary>Firings that may be waiting to be worked on, 20 to 40 bytes each: rows on which many units fire are worked on in smaller chunks.</summary>
    public int ChunkFirings { get; init; } = 1 << 22;

    /// <summary>Distance at which two firings of a unit belong to one context: their stretches of text would overlap.</summary>
    internal int Reach => Before + After;

    /// <summary>The shares of its firings for which a unit's quantiles are told.</summary>
    public static ImmutableArray<double> QuantileLevels { get; } = [0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

    internal FeatureScanOptions Checked()
    {
        int least = new[] { Tokens, Contexts, Before, After, SameTextBefore, SameTextAfter, Sample, GroupSample, GroupContexts, Neighbours }.Min();
        if (least < 0) throw new ArgumentException($"a count of the scan's options is {least}; all are at least 0");
        if (HistogramHigh <= HistogramLow || BinsPerDecade is < 1 or > 1000) throw new ArgumentException("the histogram has no bins");
        if (ChunkRows < 1 || ChunkFirings < 1 || MaxPairs < 1 || Partners < 2) throw new ArgumentException("chunk_rows, chunk_firings and max_pairs must be at least 1, partners at least 2");
        return this;
    }
}

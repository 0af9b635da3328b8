using System.Collections.Immutable;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Metrics;

/// <summary>
/// How a dictionary's directions lie.
/// <code>
/// max_(j != i) cos(w_i, w_j) for decoder rows and for encoder columns; cos(encoder_i, decoder_i); |w_i|
/// </code>
/// </summary>
/// <remarks>
/// They depend on the weights alone, so they have no interval. Nearest directions are looked for among all features; of a
/// dictionary of more than 8,192 features only for an evenly spaced sample of 2,048, since all pairs would take longer than
/// evaluating it.
/// </remarks>
internal sealed class DecoderGeometry
{
    private const int MostExact = 8192, Sampled = 2048, Chunk = 512;
    /// <summary>What each number is.</summary>
    internal static ImmutableArray<MetricDefinition> Definitions { get; } =
    [
        new("max_decoder_cosine", "", Better.Lower, "mean over features i of max_(j != i) cos(W_dec_i, W_dec_j)", "there is no pair of directions"),
        new("max_encoder_cosine", "", Better.Lower, "mean over features i of max_(j != i) cos(W_enc_i, W_enc_j)", "there is no pair of directions"),
        new("encoder_decoder_cosine", "", Better.Neither, "mean over features i of cos(W_enc_i, W_dec_i)", "every direction is 0"),
        new("decoder_norm", "", Better.Neither, "mean over features i of |W_dec_i|", "a weight is not finite"),
    ];

    /// <summary>The features whose nearest direction was looked for.</summary>
    public required int[] Chosen { get; init; }

    /// <summary>Largest cosine to another decoder row, for each of <see cref="Chosen"/>; NaN where there is none.</summary>
    public required float[] MaxDecoder { get; init; }

    /// <summary>Largest cosine to another encoder column, for each of <see cref="Chosen"/>; NaN where there is none.</summary>
    public required float[] MaxEncoder { get; init; }

    /// <summary>cos(encoder_i, decoder_i) [d_sae]; NaN where one is 0.</summary>
    public required float[] EncoderDecoder { get; init; }

    /// <summary>|W_enc_i| [d_sae].</summary>
    public required float[] EncoderNorms { get; init; }

    /// <summary>|W_dec_i| [d_sae].</summary>
    public required float[] DecoderNorms { get; init; }

    /// <summary>Looks at a dictionary's weights.</summary>
    /// <param name="sae">The dictionary.</param>
    internal static DecoderGeometry Of(SparseAutoencoder sae)
    {
        using var still = no_grad();
        using var scope = NewDisposeScope();
        Tensor decoder = sae.WDec, encoder = sae.WEnc.t().contiguous();
        Tensor decoderNorms = decoder.norm(1), encoderNorms = encoder.norm(1);
        Tensor unitDecoder = decoder / decoderNorms.clamp(1e-30).unsqueeze(1), unitEncoder = encoder / encoderNorms.clamp(1e-30).unsqueeze(1);
        int dSae = sae.Config.DSae, count = dSae > MostExact ? Sampled : dSae;
        int[] chosen = [.. Enumerable.Range(0, count).Select(i => (int)((long)i * dSae / count))];
        float[] both = TensorMemory.Floats((unitDecoder * unitEncoder).sum(1).contiguous()).ToArray();
        float[] normsIn = TensorMemory.Floats(encoderNorms.contiguous()).ToArray(), normsOut = TensorMemory.Floats(decoderNorms.contiguous()).ToArray();
        for (int i = 0; i < dSae; i++)
        {
            if (normsIn[i] == 0 || normsOut[i] == 0) both[i] = float.NaN;
        }
        return new()
        {
            Chosen = chosen,
            MaxDecoder = Nearest(unitDecoder, chosen),
            MaxEncoder = Nearest(unitEncoder, chosen),
            EncoderDecoder = both,
            EncoderNorms = normsIn,
            DecoderNorms = normsOut,
        };
    }

    /// <summary>The numbers, by name; features for which one is undefined are left out of its mean.</summary>
    internal IReadOnlyDictionary<string, MetricValue> Numbers()
    {
        double[] values = [Mean(MaxDecoder), Mean(MaxEncoder), Mean(EncoderDecoder), Mean(DecoderNorms)];
        Interval none = Interval.None("it depends on the weights alone");
        return Definitions.Select((definition, i) => (definition, i)).ToDictionary(pair => pair.definition.Name, pair => MetricValue.Of(pair.definition, values[pair.i], 0, "weights", none));
    }

    /// <summary>For chosen rows of a matrix of unit rows, the largest cosine to any other row.</summary>
    /// <param name="unit">Rows of length 1 [n, d].</param>
    /// <param name="chosen">Which rows.</param>
    internal static float[] Nearest(Tensor unit, int[] chosen)
    {
        using var scope = NewDisposeScope();
        var nearest = new float[chosen.Length];
        if (unit.shape[0] < 2) return [.. nearest.Select(_ => float.NaN)];
        for (int start = 0; start < chosen.Length; start += Chunk)
        {
            using var inner = NewDisposeScope();
            long[] rows = [.. chosen.Skip(start).Take(Chunk).Select(row => (long)row)];
            Tensor at = tensor(rows);
            Tensor cosines = unit.index_select(0, at).mm(unit.t());
            cosines.scatter_(1, at.unsqueeze(1), full([rows.Length, 1], -2f));
            TensorMemory.Floats(cosines.max(1).values.contiguous()).CopyTo(nearest.AsSpan(start));
        }
        return nearest;
    }

    private static double Mean(IEnumerable<float> values)
    {
        double[] all = [.. values.Where(float.IsFinite).Select(value => (double)value)];
        return all.Length > 0 ? all.Average() : double.NaN;
    }
}

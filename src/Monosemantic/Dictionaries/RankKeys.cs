using System.Runtime.Intrinsics;

namespace Monosemantic.Dictionaries;

/// <summary>What features are ranked by, computed on the fly from the encoder product; a struct, so that the loops are compiled for each.</summary>
internal unsafe interface IRankKey
{
    /// <summary>Keys of eight features.</summary>
    Vector256<float> Of(float* product, int feature);

    /// <summary>Key of one feature.</summary>
    float OfOne(float* product, int feature);

    /// <summary>Key of one feature by its pre-activation; the same bits.</summary>
    float OfPre(float pre, int feature);

    /// <summary>Pre-activation of one feature.</summary>
    float Pre(float* product, int feature);
}

/// <summary>Ranked by pre-activation, x W_enc + b_enc.</summary>
internal readonly unsafe struct PlainKey(nint bias) : IRankKey
{
    private readonly float* bias = (float*)bias;

    public Vector256<float> Of(float* product, int feature) => Vector256.Load(product + feature) + Vector256.Load(bias + feature);

    public float OfOne(float* product, int feature) => product[feature] + bias[feature];

    public float OfPre(float pre, int feature) => pre;

    public float Pre(float* product, int feature) => product[feature] + bias[feature];
}

/// <summary>Ranked by pre-activation times the length of the decoder row: by how much the feature adds to the reconstruction.</summary>
internal readonly unsafe struct ScaledKey(nint bias, nint norms) : IRankKey
{
    private readonly float* bias = (float*)bias, norms = (float*)norms;

    public Vector256<float> Of(float* product, int feature) => (Vector256.Load(product + feature) + Vector256.Load(bias + feature)) * Vector256.Load(norms + feature);

    public float OfOne(float* product, int feature) => (product[feature] + bias[feature]) * norms[feature];

    public float OfPre(float pre, int feature) => pre * norms[feature];

    public float Pre(float* product, int feature) => product[feature] + bias[feature];
}

/// <summary>Ranked by the size of the pre-activation, whatever its sign.</summary>
internal readonly unsafe struct AbsoluteKey(nint bias) : IRankKey
{
    private readonly float* bias = (float*)bias;

    public Vector256<float> Of(float* product, int feature) => Vector256.Abs(Vector256.Load(product + feature) + Vector256.Load(bias + feature));

    public float OfOne(float* product, int feature) => MathF.Abs(product[feature] + bias[feature]);

    public float OfPre(float pre, int feature) => MathF.Abs(pre);

    public float Pre(float* product, int feature) => product[feature] + bias[feature];
}

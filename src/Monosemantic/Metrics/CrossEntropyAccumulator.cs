namespace Monosemantic.Metrics;

/// <summary>Mean cross-entropy of next-token predictions in nats per token, over the tokens that count.</summary>
public sealed class CrossEntropyAccumulator
{
    private double sum;

    /// <summary>Tokens counted so far.</summary>
    public long Tokens { get; private set; }

    /// <summary>Adds predictions.</summary>
    /// <param name="losses">-ln p(token) of each prediction, nats.</param>
    /// <param name="counted">Whether each prediction counts, in the same order.</param>
    /// <exception cref="ArgumentException">The two differ in length.</exception>
    public void Add(ReadOnlySpan<float> losses, ReadOnlySpan<bool> counted)
    {
        if (losses.Length != counted.Length) throw new ArgumentException($"{losses.Length} losses against {counted.Length} marks", nameof(counted));
        for (int i = 0; i < losses.Length; i++)
        {
            if (!counted[i]) continue;
            sum += losses[i];
            Tokens++;
        }
    }

    /// <summary>The mean over everything counted so far; null without a token or where a loss was not finite.</summary>
    public double? Compute() => Tokens > 0 && double.IsFinite(sum) ? sum / Tokens : null;
}

using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Models;

/// <summary>Continues a text token by token.</summary>
public static class TextSampler
{
    /// <summary>Samples a continuation.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompt">Token ids to start from, at least one, usually the beginning-of-text token.</param>
    /// <param name="count">Tokens to add; only the last max-positions tokens are seen by the model.</param>
    /// <param name="temperature">Divides the logits; 0 takes the likeliest token each time.</param>
    /// <param name="random">Where the choices come from.</param>
    /// <returns>The added tokens.</returns>
    public static int[] Sample(Transformer model, ReadOnlySpan<int> prompt, int count, double temperature, SeededRandom random)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(random);
        if (prompt.Length == 0) throw new ArgumentException("a prompt of at least one token is needed", nameof(prompt));
        var tokens = new List<long>();
        foreach (int token in prompt) tokens.Add(token);
        using var gradients = no_grad();
        for (int i = 0; i < count; i++)
        {
            using var scope = NewDisposeScope();
            long[] seen = [.. tokens.TakeLast(model.Config.MaxPositions)];
            Tensor last = model.Forward(tensor(seen).unsqueeze(0))[0, -1].contiguous();
            tokens.Add(Choose(TensorMemory.Floats(last), temperature, random));
        }
        return [.. tokens.Skip(prompt.Length).Select(token => (int)token)];
    }

    private static int Choose(ReadOnlySpan<float> logits, double temperature, SeededRandom random)
    {
        int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(logits);
        if (temperature <= 0) return best;
        double total = 0;
        foreach (float logit in logits) total += Math.Exp((logit - logits[best]) / temperature);
        double left = random.NextDouble() * total;
        for (int token = 0; token < logits.Length; token++)
        {
            left -= Math.Exp((logits[token] - logits[best]) / temperature);
            if (left < 0) return token;
        }
        return best;
    }
}

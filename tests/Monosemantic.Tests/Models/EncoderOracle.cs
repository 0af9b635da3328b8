using Monosemantic.Models;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Models;

/// <summary>
/// A small transformer by plain loops in double precision, written from PyTorch's documentation of <c>Embedding</c>,
/// <c>MultiheadAttention</c>, <c>LayerNorm</c>, <c>Linear</c> and <c>TransformerEncoderLayer</c>; one line at a time.
/// </summary>
internal sealed class EncoderOracle(SimpleTransformer model)
{
    private readonly Dictionary<string, double[]> weights = model.Named.ToDictionary(pair => pair.Key, pair => pair.Value.detach().to(ScalarType.Float64).data<double>().ToArray());

    /// <summary>What the model gives for one line: output, embedded, encoder output and each layer's neurons, as [t][width].</summary>
    internal (double[][] Output, double[][] Embedded, double[][] Encoded, List<double[][]> Neurons) Run(int[] line)
    {
        int width = model.Config.DModel, padding = model.Vocabulary.PaddingId;
        double[] table = weights["embedding.weight"], places = weights["position_embedding.weight"];
        double[][] embedded = [.. line.Select((id, place) => Make(width, d => table[id * width + d] + places[place * width + d]))];
        bool[] hidden = [.. line.Select(id => id == padding)];
        double[][] x = embedded;
        var neurons = new List<double[][]>();
        for (int layer = 0; layer < model.Config.Layers; layer++)
        {
            string name = $"encoder.layers.{layer}.";
            double[][] attended = Attention(x, hidden, name + "self_attn.");
            x = [.. x.Select((row, t) => LayerNorm(Add(row, attended[t]), name + "norm1"))];
            double[][] active = [.. x.Select(row => Linear(row, name + "linear1").Select(value => Math.Max(0, value)).ToArray())];
            neurons.Add(active);
            x = [.. x.Select((row, t) => LayerNorm(Add(row, Linear(active[t], name + "linear2")), name + "norm2"))];
        }
        return ([.. x.Select(row => Linear(row, "output"))], embedded, x, neurons);
    }

    /// <summary>Cross-entropy of the next line's characters, summed: -log softmax(output)[target] where there is a target.</summary>
    internal double Loss(int[] line, int[] next)
    {
        int length = Math.Max(line.Length, next.Length);
        int[] padded = [.. line, .. Enumerable.Repeat(model.Vocabulary.PaddingId, length - line.Length)];
        double[][] output = Run(padded).Output;
        return next.Select((target, t) => Math.Log(output[t].Sum(logit => Math.Exp(logit - output[t][target])))).Sum();
    }

    private double[][] Attention(double[][] x, bool[] hidden, string name)
    {
        int width = x[0].Length, heads = model.Config.Heads, headWidth = width / heads;
        double[][] joined = [.. x.Select(row => Linear(row, name + "in_proj_weight", name + "in_proj_bias", 3 * width))];
        double[][] values = [.. x.Select(_ => new double[width])];
        for (int head = 0; head < heads; head++)
        {
            for (int from = 0; from < x.Length; from++)
            {
                double[] scores = Make(x.Length, to => hidden[to] ? double.NegativeInfinity : Enumerable.Range(head * headWidth, headWidth).Sum(d => joined[from][d] * joined[to][width + d]) / Math.Sqrt(headWidth));
                double most = scores.Max(), total = scores.Sum(score => Math.Exp(score - most));
                for (int d = head * headWidth; d < (head + 1) * headWidth; d++)
                {
                    values[from][d] = scores.Select((score, to) => Math.Exp(score - most) / total * joined[to][2 * width + d]).Sum();
                }
            }
        }
        return [.. values.Select(row => Linear(row, name + "out_proj"))];
    }

    private double[] LayerNorm(double[] row, string name)
    {
        double mean = row.Average(), variance = row.Average(value => (value - mean) * (value - mean));
        return Make(row.Length, d => (row[d] - mean) / Math.Sqrt(variance + 1e-5) * weights[name + ".weight"][d] + weights[name + ".bias"][d]);
    }

    private double[] Linear(double[] row, string name) => Linear(row, name + ".weight", name + ".bias", weights[name + ".bias"].Length);

    private double[] Linear(double[] row, string weight, string bias, int outputs) =>
        Make(outputs, o => weights[bias][o] + row.Select((value, i) => value * weights[weight][o * row.Length + i]).Sum());

    private static double[] Add(double[] a, double[] b) => Make(a.Length, i => a[i] + b[i]);

    private static double[] Make(int length, Func<int, double> value) => [.. Enumerable.Range(0, length).Select(value)];
}

using System.Collections.Immutable;
using Monosemantic.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Monosemantic.Models;

/// <summary>A point of one of two classes.</summary>
/// <param name="X">Its place across.</param>
/// <param name="Y">Its place up.</param>
/// <param name="Class">0 or 1.</param>
public sealed record PlanePoint(double X, double Y, int Class);

/// <summary>What a classifier says about a square of the plane.</summary>
/// <param name="Low">Lower end of both axes.</param>
/// <param name="High">Upper end of both axes.</param>
/// <param name="Chances">Chance of class 1, row by row from the bottom [n, n].</param>
public sealed record PlaneSurface(double Low, double High, ImmutableArray<ImmutableArray<double>> Chances);

/// <summary>
/// The smallest thing that learns: two hidden layers that tell two classes of points in the plane apart. It has no other use
/// than to be looked at while it learns.
/// <code>
/// p = sigmoid(W3 tanh(W2 tanh(W1 x + b1) + b2) + b3)
/// </code>
/// </summary>
/// <remarks>Trained on all points at once by Adam (0.9, 0.999, 1e-8); the same seed gives the same numbers.</remarks>
public sealed class PlaneClassifier : IDisposable
{
    private readonly Tensor[] weights;
    private readonly TorchSharp.Modules.Adam adam;

    /// <summary>Makes an untrained classifier.</summary>
    /// <param name="hidden">Neurons of each hidden layer.</param>
    /// <param name="learningRate">Learning rate.</param>
    /// <param name="seed">Seed of the weights.</param>
    public PlaneClassifier(int hidden = 16, double learningRate = 0.03, long seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(hidden);
        var random = new SeededRandom(seed);
        Parameter Weight(int from, int to) => new(tensor(Enumerable.Range(0, from * to).Select(_ => (float)(random.NextNormal() / Math.Sqrt(from))).ToArray(), [from, to]));
        Parameter Bias(int to) => new(zeros(to));
        Parameter[] parameters = [Weight(2, hidden), Bias(hidden), Weight(hidden, hidden), Bias(hidden), Weight(hidden, 1), Bias(1)];
        weights = parameters;
        adam = optim.Adam(parameters, learningRate);
    }

    /// <summary>Iterations done.</summary>
    public int Iterations { get; private set; }

    /// <summary>Two half-moons that interlock: no straight line parts them.</summary>
    /// <param name="count">Points, half of each class.</param>
    /// <param name="noise">Standard deviation of what is added to each coordinate.</param>
    /// <param name="seed">Seed of the points.</param>
    public static ImmutableArray<PlanePoint> TwoMoons(int count, double noise = 0.12, long seed = 0)
    {
        var random = new SeededRandom(seed);
        PlanePoint Point(int i)
        {
            double angle = Math.PI * random.NextDouble();
            (double x, double y) = i % 2 == 0 ? (Math.Cos(angle) - 0.5, Math.Sin(angle) - 0.25) : (0.5 - Math.Cos(angle), 0.25 - Math.Sin(angle));
            return new(x + (noise * random.NextNormal()), y + (noise * random.NextNormal()), i % 2);
        }
        return [.. Enumerable.Range(0, count).Select(Point)];
    }

    /// <summary>Learns for some iterations.</summary>
    /// <param name="points">The points, all of them used in every iteration.</param>
    /// <param name="iterations">How many.</param>
    /// <returns>Mean cross-entropy before each iteration, nats per point.</returns>
    public ImmutableArray<double> Train(IReadOnlyList<PlanePoint> points, int iterations)
    {
        ArgumentNullException.ThrowIfNull(points);
        using var scope = NewDisposeScope();
        Tensor x = Places(points), wanted = tensor(points.Select(point => (float)point.Class).ToArray());
        var losses = ImmutableArray.CreateBuilder<double>(iterations);
        for (int i = 0; i < iterations; i++, Iterations++)
        {
            using var step = NewDisposeScope();
            Tensor loss = nn.functional.binary_cross_entropy_with_logits(Logits(x), wanted);
            adam.zero_grad();
            loss.backward();
            adam.step();
            losses.Add(loss.item<float>());
        }
        return losses.MoveToImmutable();
    }

    /// <summary>Mean cross-entropy, nats per point.</summary>
    /// <param name="points">The points.</param>
    public double Loss(IReadOnlyList<PlanePoint> points)
    {
        ArgumentNullException.ThrowIfNull(points);
        using var scope = NewDisposeScope();
        using var still = no_grad();
        return nn.functional.binary_cross_entropy_with_logits(Logits(Places(points)), tensor(points.Select(point => (float)point.Class).ToArray())).item<float>();
    }

    /// <summary>Share of points whose class is the likelier one, 0 to 1.</summary>
    /// <param name="points">The points.</param>
    public double Accuracy(IReadOnlyList<PlanePoint> points)
    {
        ArgumentNullException.ThrowIfNull(points);
        using var scope = NewDisposeScope();
        using var still = no_grad();
        float[] logits = Logits(Places(points)).data<float>().ToArray();
        return points.Index().Average(point => (logits[point.Index] > 0) == (point.Item.Class == 1) ? 1.0 : 0.0);
    }

    /// <summary>What it says about every place of a square.</summary>
    /// <param name="low">Lower end of both axes.</param>
    /// <param name="high">Upper end of both axes.</param>
    /// <param name="size">Places along each axis, at least 2.</param>
    public PlaneSurface Surface(double low = -2, double high = 2, int size = 41)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 2);
        using var scope = NewDisposeScope();
        using var still = no_grad();
        double Place(int i) => low + ((high - low) * i / (size - 1));
        PlanePoint[] places = [.. Enumerable.Range(0, size * size).Select(i => new PlanePoint(Place(i % size), Place(i / size), 0))];
        float[] chances = Logits(Places(places)).sigmoid().data<float>().ToArray();
        return new(low, high, [.. chances.Chunk(size).Select(row => row.Select(chance => (double)chance).ToImmutableArray())]);
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        adam.Dispose();
        foreach (Tensor weight in weights) weight.Dispose();
    }

    private static Tensor Places(IReadOnlyList<PlanePoint> points) => tensor(points.SelectMany(point => new[] { (float)point.X, (float)point.Y }).ToArray(), [points.Count, 2]);

    // [n, 2] -> [n].
    private Tensor Logits(Tensor x) =>
        (x.mm(weights[0]) + weights[1]).tanh().mm(weights[2]).add(weights[3]).tanh().mm(weights[4]).add(weights[5]).squeeze(1);
}

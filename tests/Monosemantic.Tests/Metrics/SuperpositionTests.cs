using Monosemantic.Metrics.Superposition;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Metrics;

public sealed class SuperpositionTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gradients_are_those_of_autograd(bool linear)
    {
        using var scope = NewDisposeScope();
        var config = new SuperpositionConfig { Features = 4, Dims = 2, Linear = linear };
        using var generator = new Generator(3);
        Tensor w = randn([2, 4, 2], generator: generator), b = randn([2, 1, 4], generator: generator) * 0.1, x = rand([2, 7, 4], generator: generator), importance = tensor(new float[] { 1, 0.5f, 0.25f, 0.125f });
        Tensor trainedW = w.clone().requires_grad_(), trainedB = b.clone().requires_grad_();
        Tensor output = x.bmm(trainedW).bmm(trainedW.transpose(1, 2)) + trainedB;
        if (!linear) output = output.relu();
        Tensor losses = (importance * (x - output).pow(2)).mean([1L, 2L]);
        losses.sum().backward();
        (Tensor loss, Tensor gradientW, Tensor gradientB) = SuperpositionTrainer.Gradients(config, w, b, x, importance);
        Assert.True(allclose(losses, loss, 1e-5, 1e-7));
        Assert.True(allclose(trainedW.grad!, gradientW, 1e-4, 1e-6));
        Assert.True(allclose(trainedB.grad!, gradientB, 1e-4, 1e-6));
    }

    [Fact]
    public void Known_figures_have_their_dimensionalities()
    {
        static double[][] Polygon(int corners) => [.. Enumerable.Range(0, corners).Select(i => new[] { Math.Cos(2 * Math.PI * i / corners), Math.Sin(2 * Math.PI * i / corners) })];
        Assert.All(SuperpositionTrainer.Geometry(Polygon(5)), feature => Assert.Equal(0.4, feature.Dimensionality, 9));
        Assert.All(SuperpositionTrainer.Geometry(Polygon(3)), feature => Assert.Equal(2.0 / 3, feature.Dimensionality, 9));
        Assert.All(SuperpositionTrainer.Geometry(Polygon(4)), feature => Assert.Equal((0.5, 1), (Math.Round(feature.Dimensionality, 9), Math.Round(feature.Interference, 9))));
        Assert.Equal((0, 0), SuperpositionTrainer.Geometry([[0, 0], [1, 0]])[0]);
    }

    [Fact]
    public void Five_features_in_two_dimensions_are_two_axes_when_dense_and_a_pentagon_when_sparse()
    {
        var config = new SuperpositionConfig { Densities = [1, 0.06], Steps = 1500, Batch = 512, Lr = 5e-3, Starts = 4 };
        SuperpositionResult result = SuperpositionTrainer.Train(config, cancellation: TestContext.Current.CancellationToken);
        SuperpositionInstance dense = result.Instances[0], sparse = result.Instances[1];
        Assert.Equal(2, dense.Represented);
        Assert.All(dense.Dimensionality.Take(2), value => Assert.InRange(value, 0.85, 1));
        Assert.Equal(5, sparse.Represented);
        Assert.All(sparse.Dimensionality, value => Assert.InRange(value, 0.34, 0.46));
        double[] angles = [.. sparse.Directions.Select(direction => Math.Atan2(direction[1], direction[0]) * 180 / Math.PI).Order()];
        Assert.All(angles.Zip(angles.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, 60, 84));
        // Every dimension is in use: the dimensionalities add up to their number.
        Assert.Equal(2, sparse.Dimensionality.Sum(), 0.1);
    }

    [Fact]
    public void Without_the_relu_there_is_no_superposition_however_sparse()
    {
        var config = new SuperpositionConfig { Densities = [0.06], Steps = 1500, Batch = 512, Lr = 5e-3, Starts = 1, Linear = true, ImportanceDecay = 0.5 };
        SuperpositionInstance linear = SuperpositionTrainer.Train(config, cancellation: TestContext.Current.CancellationToken).Instances[0];
        Assert.Equal(2, linear.Represented);
        Assert.All(linear.Interference.Take(2), value => Assert.InRange(value, 0, 0.05));
    }

    [Fact]
    public void The_same_seed_gives_the_same_model_and_every_wrong_setting_is_named()
    {
        var config = new SuperpositionConfig { Densities = [0.5], Steps = 20, Batch = 16, Starts = 2 };
        Assert.Equal(JsonFile.ToText(SuperpositionTrainer.Train(config, cancellation: TestContext.Current.CancellationToken)), JsonFile.ToText(SuperpositionTrainer.Train(config, cancellation: TestContext.Current.CancellationToken)));
        UserErrorException error = Assert.Throws<UserErrorException>(() => new SuperpositionConfig { Features = 3, Dims = 4, Densities = [0], Lr = 0, Steps = 0, Starts = 0, Batch = 0, ImportanceDecay = 0 }.Check("toy.json"));
        foreach (string key in new[] { "dims", "densities", "lr", "steps", "starts", "batch", "importance_decay" }) Assert.Contains(key, error.Message);
    }
}

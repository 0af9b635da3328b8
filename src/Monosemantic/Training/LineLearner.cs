using Monosemantic.Models;
using Monosemantic.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Monosemantic.Training;

/// <summary>
/// Teaches a <see cref="SimpleTransformer"/> the next line: cross-entropy of its output at each position against the character
/// there in the next line, mean over the characters of the batch's next lines, by Adam (Kingma and Ba 2015).
/// </summary>
/// <remarks>
/// The two lines of a pair have one width, that of the batch's longest line, and the shorter is filled up with padding. Padding in
/// a line is hidden from attention; padding in a next line counts for nothing in the loss. So where the next line is longer, the
/// model predicts its end from the line and the position; where it is shorter, what the model says beyond its end is free.
/// </remarks>
internal sealed class LineLearner : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;
    private readonly LineLearningConfig config;
    private readonly LinePairs pairs;
    private readonly SimpleTransformerDropout dropout;
    private readonly Dictionary<string, (Tensor First, Tensor Second)> moments;

    /// <summary>Starts from untrained weights.</summary>
    internal LineLearner(LineLearningConfig config, LinePairs pairs)
    {
        (this.config, this.pairs) = (config, pairs);
        Model = new SimpleTransformer(pairs.Vocabulary, config.Shape(), config.Seed);
        dropout = new SimpleTransformerDropout(config.Dropout);
        moments = Model.Named.ToDictionary(pair => pair.Key, pair => (zeros(pair.Value.shape).DetachFromDisposeScope(), zeros(pair.Value.shape).DetachFromDisposeScope()));
    }

    /// <summary>The model being trained.</summary>
    internal SimpleTransformer Model { get; }

    /// <summary>Optimiser steps done.</summary>
    internal int Step { get; private set; }

    /// <summary>Makes one optimiser step.</summary>
    /// <param name="batch">Numbers of pairs.</param>
    /// <returns>Sum of the cross-entropy before the step, nats, and the characters it is over.</returns>
    /// <exception cref="UserErrorException">The loss stopped being a number.</exception>
    internal (double Loss, long Targets) Advance(int[] batch)
    {
        using var scope = NewDisposeScope();
        (Tensor lines, Tensor next) = LineBatches.TokensOf(pairs, batch);
        // Numbers of its own for each step: nothing of them has to be kept for a resume.
        dropout.Begin(new SeededRandom(config.Seed, -1L - Step));
        Tensor loss = Loss(Model.Forward(lines, dropout), next);
        loss.backward();
        using var gradients = no_grad();
        double mean = loss.item<float>();
        // Before anything is changed, so that the last checkpoint stays the last good state.
        if (!double.IsFinite(mean)) throw new UserErrorException($"training diverged at step {Step + 1}: the loss is {mean}", "start again in a new folder with a lower learning_rate");
        Step++;
        foreach ((string name, Parameter parameter) in Model.Named) Update(name, parameter);
        long targets = batch.Sum(pair => (long)pairs.Lines[pair + 1].Length);
        return (mean * targets, targets);
    }

    /// <summary>Mean cross-entropy over all pairs, nats per character, without dropout and without learning.</summary>
    internal double Measure(CancellationToken cancellation)
    {
        using var gradients = no_grad();
        double sum = 0;
        foreach (int[] batch in LineBatches.Of(pairs, config.Batch, config.Seed, iteration: 0))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            (Tensor lines, Tensor next) = LineBatches.TokensOf(pairs, batch);
            sum += Loss(Model.Forward(lines), next).item<float>() * batch.Sum(pair => (double)pairs.Lines[pair + 1].Length);
        }
        return sum / pairs.Targets;
    }

    /// <summary>Everything needed to go on: weights and both moments, by name.</summary>
    internal Dictionary<string, Tensor> State()
    {
        var state = new Dictionary<string, Tensor>();
        foreach ((string name, Parameter parameter) in Model.Named)
        {
            state[name] = parameter;
            (state[$"adam.first.{name}"], state[$"adam.second.{name}"]) = moments[name];
        }
        return state;
    }

    /// <summary>Goes back to a saved state.</summary>
    /// <param name="step">Steps done when it was saved.</param>
    /// <param name="file">What <see cref="State"/> gave, saved.</param>
    internal void Restore(int step, SafetensorsFile file)
    {
        using var gradients = no_grad();
        foreach ((string name, Tensor tensor) in State())
        {
            using Tensor saved = file.Read(name);
            tensor.copy_(saved);
        }
        Step = step;
    }

    public void Dispose()
    {
        Model.Dispose();
        foreach ((Tensor first, Tensor second) in moments.Values)
        {
            first.Dispose();
            second.Dispose();
        }
    }

    private Tensor Loss(Tensor output, Tensor next) =>
        nn.functional.cross_entropy(output.reshape(-1, output.shape[2]), next.reshape(-1), ignore_index: pairs.Vocabulary.PaddingId);

    private void Update(string name, Parameter parameter)
    {
        Tensor gradient = parameter.grad!;
        (Tensor first, Tensor second) = moments[name];
        first.mul_(Beta1).add_(gradient, alpha: 1 - Beta1);
        second.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
        Tensor denominator = (second / (1 - Math.Pow(Beta2, Step))).sqrt_().add_(Epsilon);
        parameter.addcdiv_(first, denominator, -config.LearningRate / (1 - Math.Pow(Beta1, Step)));
        gradient.zero_();
    }
}

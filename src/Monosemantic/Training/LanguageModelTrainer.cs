using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Monosemantic.Training;

/// <summary>One optimiser step of a language model, in numbers.</summary>
/// <param name="Step">Steps done, this one included.</param>
/// <param name="Loss">Mean cross-entropy of the batch before the step, nats per token.</param>
/// <param name="GradientNorm">Global norm of the gradient before clipping.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
public sealed record LanguageModelStep(int Step, double Loss, double GradientNorm, double LearningRate);

/// <summary>
/// Trains a <see cref="Transformer"/> to predict the next token: AdamW (Loshchilov and Hutter 2019) with warm-up, cosine and
/// gradient clipping. The same seed gives the same weights; a checkpoint goes on as if nothing had happened.
/// </summary>
public sealed class LanguageModelTrainer : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-8;
    private readonly LanguageModelConfig config;
    private readonly IReadOnlyList<TokenizedDocument> documents;
    private readonly int bos;
    private readonly Dictionary<string, Parameter> parameters = [];
    private readonly Dictionary<string, (Tensor First, Tensor Second)> moments = [];

    /// <summary>Starts from untrained weights.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="documents">The training documents' tokens.</param>
    /// <param name="vocabularySize">Number of token ids.</param>
    /// <param name="bos">Id of the token that starts contexts and separates documents.</param>
    public LanguageModelTrainer(LanguageModelConfig config, IReadOnlyList<TokenizedDocument> documents, int vocabularySize, int bos)
    {
        ArgumentNullException.ThrowIfNull(config);
        this.config = config;
        this.documents = documents;
        this.bos = bos;
        TransformerConfig shape = Gpt2.Shape(config.Layers, config.DModel, config.Heads, vocabularySize, config.Context);
        foreach ((string name, Tensor value) in Gpt2.Initialise(shape, config.Seed))
        {
            moments.Add(name, (zeros_like(value), zeros_like(value)));
            parameters.Add(name, new Parameter(value, requires_grad: true));
        }
        Model = new Transformer(shape, Gpt2.Assemble(shape, name => parameters[name]), parameters.ToDictionary(pair => pair.Key, pair => (Tensor)pair.Value), "in training", "");
    }

    /// <summary>The model being trained.</summary>
    public Transformer Model { get; }

    /// <summary>Steps done.</summary>
    public int Step { get; private set; }

    /// <summary>Trains to the last step.</summary>
    /// <param name="cancellation">Ends the run between two steps.</param>
    /// <exception cref="UserErrorException">The loss stopped being a number.</exception>
    public IEnumerable<LanguageModelStep> Run(CancellationToken cancellation)
    {
        foreach (TokenContext[] batch in BatchesFrom(Step))
        {
            if (Step == config.Steps) yield break;
            cancellation.ThrowIfCancellationRequested();
            yield return Advance(batch);
        }
    }

    /// <summary>Token ids of contexts of one length.</summary>
    /// <param name="batch">The contexts.</param>
    /// <returns>[b, t] int64.</returns>
    public static Tensor TokensOf(IReadOnlyList<TokenContext> batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        long[] ids = [.. batch.SelectMany(context => context.Tokens).Select(token => (long)token)];
        return tensor(ids).view(batch.Count, batch[0].Length);
    }

    /// <summary>Everything needed to go on: weights and both moments, by name.</summary>
    public Dictionary<string, Tensor> State()
    {
        var state = new Dictionary<string, Tensor>();
        foreach ((string name, Parameter parameter) in parameters)
        {
            state[name] = parameter;
            state[$"adam.first.{name}"] = moments[name].First;
            state[$"adam.second.{name}"] = moments[name].Second;
        }
        return state;
    }

    /// <summary>Goes back to a saved state.</summary>
    /// <param name="step">Steps done when it was saved.</param>
    /// <param name="file">What <see cref="State"/> gave, saved.</param>
    public void Restore(int step, SafetensorsFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        using var gradients = no_grad();
        foreach ((string name, Tensor tensor) in State())
        {
            using Tensor saved = file.Read(name);
            tensor.copy_(saved);
        }
        Step = step;
    }

    /// <summary>Frees weights and moments.</summary>
    public void Dispose()
    {
        Model.Dispose();
        foreach ((Tensor first, Tensor second) in moments.Values)
        {
            first.Dispose();
            second.Dispose();
        }
    }

    /// <summary>Learning rate of a step (0-based): linear warm-up, then half a cosine.</summary>
    internal double LearningRateAt(int step)
    {
        if (step < config.WarmupSteps) return config.LearningRate * (step + 1) / config.WarmupSteps;
        double progress = (step - config.WarmupSteps) / (double)Math.Max(1, config.Steps - config.WarmupSteps);
        double floor = config.FinalLearningRateFraction;
        return config.LearningRate * (floor + (1 - floor) * 0.5 * (1 + Math.Cos(Math.PI * progress)));
    }

    private LanguageModelStep Advance(TokenContext[] batch)
    {
        using var scope = NewDisposeScope();
        Tensor tokens = TokensOf(batch);
        long length = tokens.shape[1];
        // The last token is only a target: leaving it out of the input spares a copy of the logits, the largest tensor of a step.
        Tensor logits = Model.Forward(tokens.narrow(1, 0, length - 1));
        Tensor loss = nn.functional.cross_entropy(logits.view(-1, logits.shape[2]), tokens.narrow(1, 1, length - 1).reshape(-1));
        loss.backward();
        using var gradients = no_grad();
        double norm = Math.Sqrt(parameters.Values.Sum(parameter => (double)parameter.grad!.square().sum().item<float>()));
        // Before anything is changed, so that the last checkpoint stays the last good state.
        if (!double.IsFinite(norm) || !float.IsFinite(loss.item<float>()))
        {
            throw new UserErrorException($"training diverged at step {Step + 1}: the loss is {loss.item<float>()}, the gradient's norm {norm}", "start again in a new folder with a lower learning_rate or clip_norm, or a longer warm-up");
        }
        double rate = LearningRateAt(Step++);
        foreach ((string name, Parameter parameter) in parameters) Update(name, parameter, rate, Math.Min(1, config.ClipNorm / (norm + 1e-6)));
        return new(Step, loss.item<float>(), norm, rate);
    }

    private void Update(string name, Parameter parameter, double rate, double clip)
    {
        Tensor gradient = parameter.grad!.mul_(clip);
        (Tensor first, Tensor second) = moments[name];
        first.mul_(Beta1).add_(gradient, alpha: 1 - Beta1);
        second.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
        Tensor denominator = (second / (1 - Math.Pow(Beta2, Step))).sqrt_().add_(Epsilon);
        if (Decays(name)) parameter.mul_(1 - rate * config.WeightDecay);
        parameter.addcdiv_(first, denominator, -rate / (1 - Math.Pow(Beta1, Step)));
        gradient.zero_();
    }

    private bool Decays(string name) => parameters[name].dim() == 2 && !name.EndsWith("wpe.weight", StringComparison.Ordinal);

    // Each epoch packs the documents anew in another order, so that contexts are cut elsewhere every time.
    private IEnumerable<TokenContext[]> BatchesFrom(int step)
    {
        int done = 0;
        for (int epoch = 0; ; epoch++)
        {
            TokenContext[] contexts = Epoch(epoch);
            int batches = contexts.Length / config.Batch;
            if (batches == 0) throw new UserErrorException($"the training text gives {contexts.Length} contexts of {config.Context} tokens; a batch needs {config.Batch}", "give more text, or lower batch or context");
            for (int i = Math.Max(0, step - done); i < batches; i++) yield return contexts[(i * config.Batch)..((i + 1) * config.Batch)];
            done += batches;
        }
    }

    private TokenContext[] Epoch(int epoch)
    {
        var random = new SeededRandom(config.Seed, 1 + epoch);
        TokenizedDocument[] order = [.. documents];
        random.Shuffle(order.AsSpan());
        var policy = new ContextPolicy { Context = config.Context, Bos = BosPolicy.Always, Pack = true };
        TokenContext[] contexts = [.. ContextPacker.Pack(order, policy, bos).Where(context => context.Length == config.Context)];
        random.Shuffle(contexts.AsSpan());
        return contexts;
    }
}

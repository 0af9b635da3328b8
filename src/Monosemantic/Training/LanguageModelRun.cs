using Monosemantic.Activations;
using Monosemantic.Models;
using Monosemantic.Models.Families;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;

namespace Monosemantic.Training;

/// <summary>
/// From text to a model folder (<c>config.json</c>, <c>model.safetensors</c>, <c>tokenizer.json</c>, <c>training.json</c>,
/// <c>README.md</c>): reads the corpus, trains the tokenizer and the model, measures both against counting, and can go on
/// after an interruption. The tokenised corpus is held in memory (four bytes a token).
/// </summary>
public sealed class LanguageModelRun
{
    private const double SampleTemperature = 0.8;
    private const int SampleTokens = 96;
    private readonly LanguageModelConfig config;
    private readonly string directory;
    private readonly IProgress<ProgressReport>? progress;

    /// <summary>Prepares a run.</summary>
    /// <param name="config">The settings.</param>
    /// <param name="directory">The model folder to make.</param>
    /// <param name="progress">Told how far the run has come; null for nobody.</param>
    public LanguageModelRun(LanguageModelConfig config, string directory, IProgress<ProgressReport>? progress)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate("the settings of lm train");
        this.config = config;
        this.directory = directory;
        this.progress = progress;
    }

    /// <summary>Runs to the end.</summary>
    /// <param name="resume">Whether to go on from the folder's last checkpoint, if it has one.</param>
    /// <param name="command">The command that makes this model again, for the model card.</param>
    /// <param name="cancellation">Stops between two steps, leaving a checkpoint.</param>
    public LanguageModelReport Execute(bool resume, string command, CancellationToken cancellation)
    {
        if (config.Threads > 0) set_num_threads(config.Threads);
        var folder = LanguageModelFolder.Open(directory, config, resume);
        (TokenizedCorpus corpus, Tokenizer tokenizer) = Tokenise(folder, cancellation);
        int bos = tokenizer.EndOfText ?? throw new UserErrorException($"{folder.TokenizerPath} has no <|endoftext|> token", "let lm train make the tokenizer");
        using var trainer = new LanguageModelTrainer(config, corpus.Training, tokenizer.VocabularySize, bos);
        LanguageModelProgress state = folder.Restore(trainer);
        TokenContext[] heldOut = [.. Pack(corpus.HeldOut, bos)];
        state = Train(trainer, tokenizer, folder, state, heldOut, bos, cancellation);
        folder.SaveWeights(trainer.Model, config.Storage);
        LanguageModelReport report = Measure(folder, corpus, tokenizer, heldOut, state, bos) with { Command = command };
        folder.Finish(Gpt2.ConfigFile(trainer.Model.Config, bos), report);
        return report;
    }

    private (TokenizedCorpus, Tokenizer) Tokenise(LanguageModelFolder folder, CancellationToken cancellation)
    {
        using var hasher = new CorpusHasher();
        var source = new CorpusOptions { Paths = [.. config.Text], TextField = config.TextField };
        var documents = new List<Document>();
        foreach (Document document in hasher.Watch(Corpus.Read(source, progress, cancellation)))
        {
            documents.Add(document);
        }
        var split = new DocumentSplit(config.Seed, config.HeldOutFraction);
        if (!File.Exists(folder.TokenizerPath))
        {
            BytePairTrainer.Train(documents.Where((_, index) => !split.IsHeldOut(index)).Select(document => document.Text), config.Vocabulary, progress, cancellation).Save(folder.TokenizerPath);
        }
        Tokenizer tokenizer = Tokenizer.Load(folder.TokenizerPath);
        TokenizedDocument[] all = [.. CorpusTokenizer.TokenizeAll(documents, tokenizer, cancellation)];
        TokenizedDocument[] training = [.. all.Where(document => !split.IsHeldOut(document.Index))];
        TokenizedDocument[] heldOut = [.. all.Where(document => split.IsHeldOut(document.Index))];
        if (training.Length == 0 || heldOut.Length == 0) throw new UserErrorException($"{documents.Count} documents cannot be split into training and held-out text", "give more documents, or another held_out_fraction or seed");
        return (new(hasher.Identify(source), training, heldOut), tokenizer);
    }

    private IEnumerable<TokenContext> Pack(IEnumerable<TokenizedDocument> documents, int bos) =>
        ContextPacker.Pack(documents, new ContextPolicy { Context = config.Context, Bos = BosPolicy.Always, Pack = true }, bos);

    private LanguageModelProgress Train(
        LanguageModelTrainer trainer, Tokenizer tokenizer, LanguageModelFolder folder, LanguageModelProgress state, TokenContext[] heldOut, int bos, CancellationToken cancellation)
    {
        TokenContext[] watched = [.. heldOut.Take(config.EvaluationContexts)];
        if (state.Step == 0) state = state with { Samples = [Sample(trainer.Model, tokenizer, 0, bos)] };
        var clock = System.Diagnostics.Stopwatch.StartNew();
        int startedAt = state.Step;
        try
        {
            foreach (LanguageModelStep step in trainer.Run(cancellation))
            {
                state = state with { Step = step.Step, LossSum = state.LossSum + step.Loss, LossCount = state.LossCount + 1 };
                double rate = (step.Step - startedAt) * (double)config.Batch * config.Context / clock.Elapsed.TotalSeconds;
                progress?.Report(new("train", step.Step, config.Steps, "steps", $"loss {step.Loss:F3}, held out {state.LastHeldOut:F3}, {rate:N0} tokens/s"));
                bool last = step.Step == config.Steps;
                if (last || step.Step % config.EvaluateEvery == 0) state = state.WithPoint(Loss(trainer.Model, watched).Mean);
                if (last || config.SampleAt.Contains(step.Step)) state = state with { Samples = [.. state.Samples, Sample(trainer.Model, tokenizer, step.Step, bos)] };
                if (last || step.Step % config.CheckpointEvery == 0) folder.Checkpoint(trainer, state);
            }
        }
        catch (OperationCanceledException)
        {
            folder.Checkpoint(trainer, state);
            throw;
        }
        return state;
    }

    private LanguageModelSample Sample(Transformer model, Tokenizer tokenizer, int step, int bos)
    {
        int[] tokens = TextSampler.Sample(model, [bos], SampleTokens, new SamplingOptions(SampleTemperature), new SeededRandom(config.Seed, stream: -1));
        int end = Array.IndexOf(tokens, bos);
        return new(step, tokenizer.Decode(end > 0 ? tokens.AsSpan(0, end) : tokens));
    }

    private static (double Mean, long Tokens) Loss(Transformer model, IReadOnlyList<TokenContext> contexts)
    {
        double sum = 0;
        long count = 0;
        using var gradients = no_grad();
        foreach (IReadOnlyList<TokenContext> batch in ContextPacker.Batches(contexts, 16))
        {
            using var scope = NewDisposeScope();
            Tensor tokens = LanguageModelTrainer.TokensOf(batch), losses = Transformer.LossPerToken(model.Forward(tokens), tokens);
            sum += losses.to(ScalarType.Float64).sum().item<double>();
            count += losses.numel();
        }
        return (sum / count, count);
    }

    private LanguageModelReport Measure(LanguageModelFolder folder, TokenizedCorpus corpus, Tokenizer tokenizer, TokenContext[] heldOut, LanguageModelProgress state, int bos)
    {
        progress?.Report(new("measure", 0, heldOut.Length, "contexts"));
        using Transformer stored = folder.LoadStored(Gpt2.ConfigFile(Gpt2.Shape(config.Layers, config.DModel, config.Heads, tokenizer.VocabularySize, config.Context), bos));
        (double model, long tokens) = Loss(stored, heldOut);
        var counts = new NgramBaseline(tokenizer.VocabularySize);
        foreach (TokenContext context in Pack(corpus.Training, bos)) counts.Add(context.Tokens);
        double unigram = 0, bigram = 0;
        long bytes = 0;
        foreach (TokenContext context in heldOut)
        {
            for (int i = 1; i < context.Length; i++)
            {
                int token = context.Tokens[i];
                unigram -= Math.Log(counts.Unigram(token));
                bigram -= Math.Log(counts.Bigram(context.Tokens[i - 1], token));
                if (context.Positions[i] >= 0) bytes += tokenizer.Bytes(token).Length;
            }
        }
        LanguageModelScore Score(double nats) => new(nats, nats * tokens / (Math.Log(2) * bytes));
        return new LanguageModelReport
        {
            Config = config,
            Corpus = corpus.Identity,
            Tokens = new TokenPolicy { Context = config.Context, Bos = BosPolicy.Always, Pack = true, ExcludeInserted = false, BosToken = bos },
            Parameters = stored.Named.Values.Sum(tensor => tensor.numel()),
            TrainingTokens = corpus.Training.Sum(document => (long)document.Tokens.Length),
            HeldOutTokens = tokens,
            Model = Score(model),
            Unigram = Score(unigram / tokens),
            Bigram = Score(bigram / tokens),
            Curve = state.Curve,
            Samples = state.Samples,
            Command = "",
        };
    }

    private sealed record TokenizedCorpus(CorpusIdentity Identity, IReadOnlyList<TokenizedDocument> Training, IReadOnlyList<TokenizedDocument> HeldOut);
}

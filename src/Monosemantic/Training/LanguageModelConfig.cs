using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>How a small language model is trained: the run file of <c>lm train</c>, saved with the result.</summary>
public sealed record LanguageModelConfig
{
    /// <summary>Where the text comes from: files, folders, <c>-</c>, or <c>dotnet-docs</c>.</summary>
    public IReadOnlyList<string> Text { get; init; } = ["dotnet-docs"];

    /// <summary>Field that holds the text in JSON lines.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>Tokens of the byte-level BPE tokenizer trained on the text.</summary>
    public int Vocabulary { get; init; } = 4000;

    /// <summary>Blocks.</summary>
    public int Layers { get; init; } = 4;

    /// <summary>Width of the residual stream.</summary>
    public int DModel { get; init; } = 192;

    /// <summary>Heads per block.</summary>
    public int Heads { get; init; } = 6;

    /// <summary>Tokens per context.</summary>
    public int Context { get; init; } = 128;

    /// <summary>Contexts per step.</summary>
    public int Batch { get; init; } = 16;

    /// <summary>Optimiser steps ("iterations").</summary>
    public int Steps { get; init; } = 7500;

    /// <summary>Largest learning rate of AdamW (betas 0.9, 0.95).</summary>
    public double LearningRate { get; init; } = 1.5e-3;

    /// <summary>Learning rate at the end of the cosine, as a fraction of the largest.</summary>
    public double FinalLearningRateFraction { get; init; } = 0.1;

    /// <summary>Steps over which the learning rate rises from 0.</summary>
    public int WarmupSteps { get; init; } = 100;

    /// <summary>Weight decay on matrices; norms, biases and embeddings of positions are not decayed.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Largest global norm of the gradient.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>Share of documents held out for measuring, chosen by hash of the document's index.</summary>
    public double HeldOutFraction { get; init; } = 0.05;

    /// <summary>Contexts of held-out text per measurement during training.</summary>
    public int EvaluationContexts { get; init; } = 64;

    /// <summary>Steps between measurements on held-out text.</summary>
    public int EvaluateEvery { get; init; } = 250;

    /// <summary>Steps between checkpoints.</summary>
    public int CheckpointEvery { get; init; } = 250;

    /// <summary>Steps after which a sample of text is written, besides before the first and after the last.</summary>
    public IReadOnlyList<int> SampleAt { get; init; } = [10, 50, 1000];

    /// <summary>How the weights are stored: <c>f16</c> or <c>f32</c>.</summary>
    public WeightStorage Storage { get; init; } = WeightStorage.F16;

    /// <summary>Seed of initialisation, data order and samples.</summary>
    public long Seed { get; init; }

    /// <summary>Threads of libtorch, 0 for one per core. The same seed gives the same weights for the same number of threads.</summary>
    public int Threads { get; init; }

    /// <summary>Refuses settings that cannot work, all of them at once.</summary>
    /// <param name="source">Where the settings stand, for the error.</param>
    public void Validate(string source)
    {
        var problems = new List<string>();
        void Require(bool holds, string key, object value, string allowed)
        {
            if (!holds) problems.Add($"{key} is {value}; it must be {allowed}");
        }
        Require(Text.Count > 0, "text", "empty", "at least one path");
        Require(Vocabulary is >= 257 and <= 65536, "vocabulary", Vocabulary, "257..65536");
        Require(Layers is >= 1 and <= 64, "layers", Layers, "1..64");
        Require(Heads >= 1 && DModel % Math.Max(1, Heads) == 0 && DModel is >= 1 and <= 4096, "d_model", DModel, $"a multiple of heads ({Heads}), at most 4096");
        Require(Context is >= 2 and <= 4096, "context", Context, "2..4096");
        Require(Batch >= 1, "batch", Batch, "at least 1");
        Require(Steps >= 1, "steps", Steps, "at least 1");
        Require(LearningRate is > 0 and < 1, "learning_rate", LearningRate, "above 0 and below 1");
        Require(FinalLearningRateFraction is >= 0 and <= 1, "final_learning_rate_fraction", FinalLearningRateFraction, "0..1");
        Require(WarmupSteps >= 0, "warmup_steps", WarmupSteps, "0 or more");
        Require(WeightDecay >= 0, "weight_decay", WeightDecay, "0 or more");
        Require(Threads is >= 0 and <= 1024, "threads", Threads, "0..1024");
        Require(ClipNorm > 0, "clip_norm", ClipNorm, "above 0");
        Require(HeldOutFraction is > 0 and < 1, "held_out_fraction", HeldOutFraction, "above 0 and below 1");
        Require(EvaluationContexts >= 1, "evaluation_contexts", EvaluationContexts, "at least 1");
        Require(EvaluateEvery >= 1 && CheckpointEvery >= 1, "evaluate_every, checkpoint_every", $"{EvaluateEvery}, {CheckpointEvery}", "at least 1");
        if (problems.Count > 0) throw new UserErrorException($"{source}: {string.Join("; ", problems)}", "correct them in the run file or with --set key=value");
    }
}

/// <summary>Element type of stored weights.</summary>
public enum WeightStorage
{
    /// <summary>16-bit floating point: half the size, the last bits rounded.</summary>
    F16,

    /// <summary>32-bit floating point.</summary>
    F32,
}

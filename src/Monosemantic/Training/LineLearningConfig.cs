using Monosemantic.Models;
using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>How a <see cref="SimpleTransformer"/> learns to map each line of a text to the next: the run file of <c>learn</c>, saved with the result.</summary>
public sealed record LineLearningConfig
{
    /// <summary>The text file, UTF-8.</summary>
    public string Text { get; init; } = "";

    /// <summary>Iterations after which the model writes and shows its neurons; 0 is the untrained model. The largest is how long it trains.</summary>
    public IReadOnlyList<int> Snapshots { get; init; } = [0, 10, 50];

    /// <summary>The line that the model continues and whose neurons are shown.</summary>
    public string Prompt { get; init; } = "To be, or not to be, that is the question:";

    /// <summary>Lines that the model writes at a snapshot, each from the one before.</summary>
    public int Lines { get; init; } = 4;

    /// <summary>Pairs of lines to train on, counted from the start of the text; 0 for all.</summary>
    public int Pairs { get; init; }

    /// <summary>Pairs per optimiser step.</summary>
    public int Batch { get; init; } = 32;

    /// <summary>Learning rate of Adam (betas 0.9, 0.999, epsilon 1e-8), the same throughout.</summary>
    public double LearningRate { get; init; } = 2e-3;

    /// <summary>Width of embeddings and layers.</summary>
    public int DModel { get; init; } = 64;

    /// <summary>Attention heads per layer.</summary>
    public int Heads { get; init; } = 2;

    /// <summary>Neurons of a layer's feed-forward part.</summary>
    public int FeedForward { get; init; } = 128;

    /// <summary>Encoder layers.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>Positions that have an embedding; longer lines are cut to as many characters.</summary>
    public int Positions { get; init; } = 1000;

    /// <summary>Share of values dropped in training.</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>Seed of initialisation, order and dropout.</summary>
    public long Seed { get; init; }

    /// <summary>Threads of libtorch, 0 for one per core. The same seed gives the same files for the same number of threads.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Iterations to train.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public int Iterations => Snapshots.Count == 0 ? 0 : Snapshots.Max();

    /// <summary>The model's shape.</summary>
    internal SimpleTransformerConfig Shape() => new() { DModel = DModel, Heads = Heads, FeedForward = FeedForward, Layers = Layers, MaxPositions = Positions, Dropout = Dropout };

    /// <summary>Refuses settings that cannot work, all of them at once.</summary>
    /// <param name="source">Where the settings stand, for the error.</param>
    /// <exception cref="UserErrorException">Something cannot work.</exception>
    public void Validate(string source)
    {
        var problems = new List<string>();
        void Require(bool holds, string key, object value, string allowed)
        {
            if (!holds) problems.Add($"{key} is {value}; it must be {allowed}");
        }
        Require(!string.IsNullOrWhiteSpace(Text), "text", "empty", "the path of a text file");
        Require(Snapshots.Count is >= 1 and <= 100, "snapshots", Snapshots.Count == 0 ? "empty" : $"{Snapshots.Count} numbers", "1 to 100 numbers of iterations");
        Require(Snapshots.All(snapshot => snapshot is >= 0 and <= 1_000_000), "snapshots", string.Join(",", Snapshots), "numbers of iterations, 0..1000000");
        Require(Prompt.Length > 0, "prompt", "empty", "a line of at least one character");
        Require(Lines is >= 1 and <= 1000, "lines", Lines, "1..1000");
        Require(Pairs >= 0, "pairs", Pairs, "at least 1, or 0 for all");
        Require(Batch is >= 1 and <= 65536, "batch", Batch, "1..65536");
        Require(LearningRate is > 0 and < 1, "learning_rate", LearningRate, "above 0 and below 1");
        Require(Heads >= 1 && DModel % Math.Max(1, Heads) == 0 && DModel is >= 1 and <= 4096, "d_model", DModel, $"a multiple of heads ({Heads}), at most 4096");
        Require(FeedForward is >= 1 and <= 16384, "feed_forward", FeedForward, "1..16384");
        Require(Layers is >= 1 and <= 64, "layers", Layers, "1..64");
        Require(Positions is >= 1 and <= 8192, "positions", Positions, "1..8192");
        Require(Dropout is >= 0 and < 1, "dropout", Dropout, "at least 0 and below 1");
        Require(Threads is >= 0 and <= 1024, "threads", Threads, "0..1024");
        if (problems.Count > 0) throw new UserErrorException($"{source}: {string.Join("; ", problems)}", "correct them in the run file, with the option of that name or with --set key=value");
    }
}

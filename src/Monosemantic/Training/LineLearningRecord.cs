using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Monosemantic.Training;

/// <summary>The neurons of one layer on the prompt.</summary>
/// <param name="Layer">The layer, from 0.</param>
/// <param name="Activations">
/// Of each character of the prompt, each neuron's activation: the feed-forward part after its ReLU, before its second map. At
/// least 0.
/// </param>
public sealed record NeuronMap(int Layer, [property: JsonConverter(typeof(NumberRowsConverter))] ImmutableArray<ImmutableArray<float>> Activations);

/// <summary>What the model was after some iterations.</summary>
/// <param name="Iteration">Iterations done; 0 is the untrained model.</param>
/// <param name="Lines">What it writes: at each position the likeliest character, each line from the one before, the first from the prompt.</param>
/// <param name="Drawn">The same with each character drawn by the chance that the model gives it.</param>
/// <param name="Maps">Its neurons on the prompt, by layer.</param>
public sealed record LineLearningSnapshot(int Iteration, ImmutableArray<string> Lines, ImmutableArray<string> Drawn, ImmutableArray<NeuronMap> Maps);

/// <summary>The mean training loss of an iteration.</summary>
/// <param name="Iteration">The iteration, from 1.</param>
/// <param name="Loss">Mean cross-entropy over the iteration while the model learned and values were dropped, nats per character.</param>
public sealed record IterationLoss(int Iteration, double Loss);

/// <summary>What a run of <c>learn</c> saw and made: <c>snapshots.json</c>, from which the page is drawn. Holds no time and no path.</summary>
public sealed record LineLearningRecord
{
    /// <summary>Version of this format.</summary>
    public int FormatVersion { get; init; } = 1;

    /// <summary>The build that made it.</summary>
    public required string CodeVersion { get; init; }

    /// <summary>The text's file name.</summary>
    public required string Text { get; init; }

    /// <summary>SHA-256 of the text.</summary>
    public required string TextSha256 { get; init; }

    /// <summary>Pairs trained on.</summary>
    public required int Pairs { get; init; }

    /// <summary>Characters to predict in one iteration.</summary>
    public required long Targets { get; init; }

    /// <summary>The vocabulary, in the order of token ids.</summary>
    public required string Vocabulary { get; init; }

    /// <summary>Trained numbers in the model.</summary>
    public required long Parameters { get; init; }

    /// <summary>The settings, with the text's name instead of its path.</summary>
    public required LineLearningConfig Config { get; init; }

    /// <summary>Loss of a guess that gives every character of the vocabulary the same chance: its size's natural logarithm.</summary>
    public required double UniformLoss { get; init; }

    /// <summary>Loss of a guess by how often each character stands in the lines to predict.</summary>
    public required double FrequencyLoss { get; init; }

    /// <summary>Loss of the untrained model on all pairs, without dropout.</summary>
    public required double UntrainedLoss { get; init; }

    /// <summary>The loss curve.</summary>
    public required ImmutableArray<IterationLoss> Losses { get; init; }

    /// <summary>The snapshots, earliest first.</summary>
    public required ImmutableArray<LineLearningSnapshot> Snapshots { get; init; }
}

/// <summary>A table of numbers in JSON: one row a line, each number as exact as it is.</summary>
internal sealed class NumberRowsConverter : JsonConverter<ImmutableArray<ImmutableArray<float>>>
{
    public override ImmutableArray<ImmutableArray<float>> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        [.. JsonSerializer.Deserialize<float[][]>(ref reader, options)!.Select(row => row.ToImmutableArray())];

    public override void Write(Utf8JsonWriter writer, ImmutableArray<ImmutableArray<float>> value, JsonSerializerOptions options)
    {
        IEnumerable<string> rows = value.Select(row => $"[{string.Join(",", row.Select(number => number.ToString("R", CultureInfo.InvariantCulture)))}]");
        writer.WriteRawValue($"[{string.Join(",\n", rows)}]");
    }
}

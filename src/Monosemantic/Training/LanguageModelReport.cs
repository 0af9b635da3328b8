using System.Globalization;
using System.Text;
using Monosemantic.Activations;
using Monosemantic.Text;

namespace Monosemantic.Training;

/// <summary>Mean cross-entropy of predictions on the same held-out tokens.</summary>
/// <param name="NatsPerToken">Natural-log cross-entropy per predicted token.</param>
/// <param name="BitsPerByte">The same in bits per UTF-8 byte of the predicted text.</param>
public sealed record LanguageModelScore(double NatsPerToken, double BitsPerByte);

/// <summary>Text that the model wrote after some iterations.</summary>
/// <param name="Step">Optimiser steps done.</param>
/// <param name="Text">The sample, from the beginning-of-text token, temperature 0.8.</param>
public sealed record LanguageModelSample(int Step, string Text);

/// <summary>A point of the loss curve.</summary>
/// <param name="Step">Optimiser steps done.</param>
/// <param name="Training">Mean training loss since the point before, nats per token.</param>
/// <param name="HeldOut">Loss on a fixed part of the held-out text, nats per token.</param>
public sealed record LossPoint(int Step, double Training, double HeldOut);

/// <summary>What <c>lm train</c> did and reached: <c>training.json</c>, and the model card made of it.</summary>
public sealed record LanguageModelReport
{
    /// <summary>The settings.</summary>
    public required LanguageModelConfig Config { get; init; }

    /// <summary>The text.</summary>
    public required CorpusIdentity Corpus { get; init; }

    /// <summary>How its text became the contexts it was trained on; null in a report made before this was recorded.</summary>
    public TokenPolicy? Tokens { get; init; }

    /// <summary>Trained numbers in the model.</summary>
    public required long Parameters { get; init; }

    /// <summary>Tokens of the training documents, once.</summary>
    public required long TrainingTokens { get; init; }

    /// <summary>Held-out tokens predicted for the scores.</summary>
    public required long HeldOutTokens { get; init; }

    /// <summary>The stored model on all held-out text.</summary>
    public required LanguageModelScore Model { get; init; }

    /// <summary>Unigram counts on the same tokens.</summary>
    public required LanguageModelScore Unigram { get; init; }

    /// <summary>Bigram counts on the same tokens.</summary>
    public required LanguageModelScore Bigram { get; init; }

    /// <summary>The loss curve.</summary>
    public required IReadOnlyList<LossPoint> Curve { get; init; }

    /// <summary>Samples of text, earliest first.</summary>
    public required IReadOnlyList<LanguageModelSample> Samples { get; init; }

    /// <summary>The command that makes this model again.</summary>
    public required string Command { get; init; }

    /// <summary>The model card, Markdown.</summary>
    /// <param name="name">The model's name.</param>
    public string ModelCard(string name)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# {name}\n\nA small decoder-only transformer (GPT-2 layout, {Config.Layers} blocks, d_model {Config.DModel}, {Config.Heads} heads, ");
        text.Append(CultureInfo.InvariantCulture, $"context {Config.Context}, vocabulary {Config.Vocabulary}, {Parameters:N0} parameters, stored as {Config.Storage.ToString().ToLowerInvariant()}), ");
        text.Append("trained from scratch by this repository's own tool:\n\n");
        text.Append(CultureInfo.InvariantCulture, $"    {Command}\n\n");
        text.Append(CultureInfo.InvariantCulture, $"Text: {Corpus.Source} {Corpus.Version}, {Corpus.Documents:N0} documents, {Corpus.Characters:N0} characters, SHA-256 `{Corpus.Sha256}`. ");
        text.Append(CultureInfo.InvariantCulture, $"{Config.HeldOutFraction:P0} of the documents were held out. {Config.Steps:N0} iterations of {Config.Batch} x {Config.Context} tokens ");
        text.Append(CultureInfo.InvariantCulture, $"over {TrainingTokens:N0} training tokens; AdamW, warm-up and cosine, seed {Config.Seed}.\n\n## Held-out cross-entropy\n\n");
        text.Append(CultureInfo.InvariantCulture, $"On the same {HeldOutTokens:N0} held-out tokens:\n\n| model | nats/token | bits/byte |\n|---|---|---|\n");
        foreach ((string label, LanguageModelScore score) in new[] { ("this model", Model), ("bigram counts", Bigram), ("unigram counts", Unigram) })
        {
            text.Append(CultureInfo.InvariantCulture, $"| {label} | {score.NatsPerToken:F3} | {score.BitsPerByte:F3} |\n");
        }
        text.Append("\n## Text it writes\n\nFrom the beginning-of-text token, temperature 0.8, one seed throughout.\n");
        foreach (LanguageModelSample sample in Samples)
        {
            string title = sample.Step == 0 ? "Untrained" : sample.Step == Config.Steps ? $"After all {sample.Step:N0} iterations" : $"After {sample.Step:N0} iterations";
            text.Append(CultureInfo.InvariantCulture, $"\n### {title}\n\n```text\n{Printable(sample.Text)}\n```\n");
        }
        return text.ToString();
    }

    // An untrained model writes control characters and broken UTF-8; the card stays plain text.
    private static string Printable(string text)
    {
        var clean = new StringBuilder();
        foreach (Rune rune in text.EnumerateRunes()) clean.Append(rune.Value == '\n' || !Rune.IsControl(rune) && rune.Value != '`' ? rune.ToString() : "\uFFFD");
        return clean.ToString();
    }
}

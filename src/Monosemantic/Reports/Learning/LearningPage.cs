using System.Collections.Immutable;
using Monosemantic.Features;
using Monosemantic.Models;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Reports.Learning;

/// <summary>
/// Draws how a small transformer learns as one HTML file that opens from disk and asks for nothing: the text it writes and its
/// neurons at each snapshot, and its loss curve. A pure function of the record.
/// </summary>
public static class LearningPage
{
    /// <summary>Writes the page, whole or not at all.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="record">What to show.</param>
    /// <exception cref="UserErrorException">The record contradicts itself, or the file cannot be written.</exception>
    public static void Write(string path, LineLearningRecord record) => AtomicFile.WriteText(path, Render(record));

    /// <summary>The page's HTML.</summary>
    /// <param name="record">What to show.</param>
    /// <exception cref="UserErrorException">The record contradicts itself, such as a map with more rows than the prompt has characters.</exception>
    public static string Render(LineLearningRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        NeuronMaps maps = NeuronMaps.Of(record);
        string title = $"A small transformer learns {record.Text}";
        return Markup.Of($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{PageFile.LearningScript.Hash}'; style-src '{PageFile.LearningStyle.Hash}'; base-uri 'none'; form-action 'none'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="referrer" content="no-referrer">
            <title>{title}</title>
            <style>{Markup.Embedded(PageFile.LearningStyle)}</style>
            </head>
            <body>
            <a class="skip" href="#main">Skip to content</a>
            <header class="top"><h1>{title}</h1></header>
            <main id="main" class="overview">
            {Panel("text", "What it writes", Text(record))}{Panel("neurons", "Its neurons on the prompt", maps.Draw())}{Panel("loss", "How well it predicts", Loss(record))}{Panel("run", "This run", Run(record))}</main>
            <div id="readout" class="readout" role="status" hidden></div>
            {maps.Data()}<script type="module">{Markup.Embedded(PageFile.LearningScript)}</script>
            </body>
            </html>

            """).ToString();
    }

    /// <summary>What a snapshot is called.</summary>
    internal static string Name(int iteration) => iteration switch
    {
        0 => "Untrained",
        1 => "After 1 iteration",
        _ => $"After {Numbers.Count(iteration)} iterations",
    };

    private static Markup Panel(string id, string title, Markup body) => Markup.Of($"""
        <section id="{id}" class="panel" aria-labelledby="{id}-title"><h2 id="{id}-title">{title}</h2>
        {body}
        </section>

        """);

    private static Markup Text(LineLearningRecord record) => Markup.Of($"""
        <p class="note">The model reads a line and says, for each position at once, which character it expects there in the next line; that line is then read in turn.
        Because no position knows what the others chose, its likeliest line tends to be the commonest character again and again; the line drawn by chance shows better what it has learned.</p>
        <p class="prompt"><span>Prompt</span> {Line(record.Config.Prompt)}</p>
        <div class="snapshots">{record.Snapshots.Select(Written)}</div>
        """);

    private static Markup Written(LineLearningSnapshot snapshot) => Markup.Of($"""
        <article class="written" data-iteration="{snapshot.Iteration}"><h3>{Name(snapshot.Iteration)}</h3>
        <h4>Likeliest characters</h4><ol>{snapshot.Lines.Select(line => Markup.Of($"<li>{Line(line)}</li>"))}</ol>
        <h4>Drawn by chance</h4><ol>{snapshot.Drawn.Select(line => Markup.Of($"<li>{Line(line)}</li>"))}</ol></article>

        """);

    // Two or more spaces in a row would look like nothing: each is shown as a dot.
    private static Markup Line(string line)
    {
        var pieces = new List<Markup>();
        for (int at = 0; at < line.Length;)
        {
            bool space = IsRun(line, at);
            int end = at + 1;
            while (end < line.Length && IsRun(line, end) == space) end++;
            string piece = line[at..end];
            pieces.Add(space ? Markup.Of($"<span class=\"space\">{new string('·', piece.Length)}</span>") : Markup.Of($"{piece}"));
            at = end;
        }
        return Markup.Of($"<span class=\"line\">{pieces}</span>");
    }

    private static bool IsRun(string line, int at) => line[at] == ' ' && ((at > 0 && line[at - 1] == ' ') || (at + 1 < line.Length && line[at + 1] == ' '));

    private static Markup Loss(LineLearningRecord record)
    {
        var curve = new LossCurve(record);
        return Markup.Of($"""
            <p class="note">Cross-entropy of the next line's characters, nats per character; less is better. An iteration's loss is the mean over it, while the model learned; the untrained model's is measured on all pairs before. Large dots are the snapshots.</p>
            {curve.Draw()}
            <details class="provenance"><summary>The numbers</summary><div class="scroll"><table class="losses"><thead><tr><th scope="col">Point</th><th scope="col" class="number">Loss</th></tr></thead>
            <tbody>{curve.Shown.Select(point => Markup.Of($"<tr><th scope=\"row\">{LossCurve.Name(point)}{(curve.IsSnapshot(point) ? ", snapshot" : "")}</th><td class=\"number\">{LossCurve.Exact(point.Loss)}</td></tr>\n"))}</tbody></table></div></details>
            """);
    }

    private static Markup Run(LineLearningRecord record) => Markup.Of($"""
        <dl class="facts">{Facts(record).Select(fact => Markup.Of($"<div><dt>{fact.Name}</dt><dd>{fact.Value}</dd></div>"))}</dl>
        <details class="provenance"><summary>Provenance and vocabulary</summary>
        <ol><li><span>text, SHA-256</span> <code>{record.TextSha256}</code></li><li><span>characters in the order of their ids</span> <code class="line">{record.Vocabulary}</code></li></ol></details>
        """);

    private static ImmutableArray<NamedValue> Facts(LineLearningRecord record)
    {
        LineLearningConfig config = record.Config;
        return
        [
            new("Text", record.Text),
            new("Pairs of lines", Numbers.Count(record.Pairs)),
            new("Characters to predict in an iteration", Numbers.Count(record.Targets)),
            new("Characters in the vocabulary", Numbers.Count(SimpleTransformerVocabulary.Of(record.Vocabulary).Size)),
            new("Iterations", Numbers.Count(record.Losses.Length)),
            new("Parameters", Numbers.Count(record.Parameters)),
            new("Encoder layers", $"{Numbers.Count(config.Layers)} (post-norm, ReLU, no causal mask)"),
            new("Width", $"{Numbers.Count(config.DModel)}, {Numbers.Count(config.Heads)} heads"),
            new("Neurons per layer", Numbers.Count(config.FeedForward)),
            new("Positions", Numbers.Count(config.Positions)),
            new("Adam", $"learning rate {Numbers.Short(config.LearningRate)}, {Numbers.Count(config.Batch)} pairs a step"),
            new("Dropout in training", Numbers.Short(config.Dropout)),
            new("Seed", $"{config.Seed}"),
            new("Code version", record.CodeVersion),
        ];
    }
}

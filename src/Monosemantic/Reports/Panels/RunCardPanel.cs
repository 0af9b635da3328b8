using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Reports.Panels;

/// <summary>What was run, and the chain of hashes back to where it came from.</summary>
/// <param name="Facts">Settings and sizes.</param>
/// <param name="Provenance">Each artefact and its SHA-256, in order.</param>
public sealed record RunCardContent(ImmutableArray<NamedValue> Facts, ImmutableArray<NamedValue> Provenance);

/// <summary>The run card.</summary>
public sealed class RunCardPanel : Panel<RunCardContent>
{
    /// <inheritdoc/>
    public override string Id => "run";

    /// <inheritdoc/>
    public override string Title => "This run";

    /// <inheritdoc/>
    public override RunCardContent Build(ReportData data)
    {
        FeatureIndexCard run = data.Run;
        ImmutableArray<NamedValue> facts =
        [
            new("Model", run.Model),
            new("Hook point", run.HookPoint),
            new("Activation size d_model", Numbers.Count(run.DModel)),
            new("Features d_sae", $"{Numbers.Count(run.DSae)} ({Numbers.Short((double)run.DSae / Math.Max(1, run.DModel))} × d_model)"),
            .. run.K is { } k ? [new NamedValue("Features kept per token k", Numbers.Count(k))] : ImmutableArray<NamedValue>.Empty,
            new("Corpus", run.Corpus),
            new("Tokens trained on", Numbers.Count(run.TokensTrained)),
            new("Rows scanned", Numbers.Count(run.RowsScanned)),
            new("Seed", $"{run.Seed}"),
            new("Code version", run.CodeVersion),
        ];
        return new(facts, run.Provenance);
    }

    /// <inheritdoc/>
    public override Markup Render(RunCardContent content) => Markup.Of($"""
        <dl class="facts">{content.Facts.Select(f => Markup.Of($"<div><dt>{f.Name}</dt><dd>{f.Value}</dd></div>"))}</dl>
        <details class="provenance"><summary>Provenance: the SHA-256 of what this was made from</summary>
        <ol>{content.Provenance.Select(p => Markup.Of($"<li><span>{p.Name}</span> <code>{p.Value}</code></li>"))}</ol></details>
        """);
}

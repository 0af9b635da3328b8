using System.Collections.Immutable;

namespace Monosemantic.Reports.Panels;

/// <summary>Facts about the language model under study.</summary>
/// <param name="Facts">The facts, in order.</param>
public sealed record LanguageModelContent(ImmutableArray<LabelledValue> Facts);

/// <summary>The language model.</summary>
public sealed class LanguageModelPanel : Panel<LanguageModelContent>
{
    /// <inheritdoc/>
    public override string Id => "language-model";

    /// <inheritdoc/>
    public override string Title => "The language model";

    /// <inheritdoc/>
    public override LanguageModelContent? Build(ReportData data) => data.LanguageModel.IsDefaultOrEmpty ? null : new(data.LanguageModel);

    /// <inheritdoc/>
    public override Markup Render(LanguageModelContent content) => Markup.Of($"""
        <dl class="facts">{content.Facts.Select(f => Markup.Of($"<div><dt>{f.Label}</dt><dd>{f.Value}</dd></div>"))}</dl>
        """);
}

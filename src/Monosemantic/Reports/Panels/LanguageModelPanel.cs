using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Reports.Panels;

/// <summary>Facts about the language model under study.</summary>
/// <param name="Facts">The facts, in order.</param>
public sealed record LanguageModelContent(ImmutableArray<NamedValue> Facts);

/// <summary>The language model.</summary>
public sealed class LanguageModelPanel : Panel<LanguageModelContent>
{
    /// <inheritdoc/>
    public override string Id => "language-model";

    /// <inheritdoc/>
    public override string Title => "The language model";

    /// <inheritdoc/>
    public override LanguageModelContent? Build(ReportData data) => data.Run.LanguageModel.IsDefaultOrEmpty ? null : new(data.Run.LanguageModel);

    /// <inheritdoc/>
    public override Markup Render(LanguageModelContent content) => Markup.Of($"""
        <dl class="facts">{content.Facts.Select(f => Markup.Of($"<div><dt>{f.Name}</dt><dd>{f.Value}</dd></div>"))}</dl>
        """);
}

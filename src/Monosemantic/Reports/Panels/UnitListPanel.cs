using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Reports.Panels;

/// <summary>The numbers of one kind of unit, a column each; all columns have one entry per unit.</summary>
/// <param name="Index">Index of the unit.</param>
/// <param name="Density">Share of scanned tokens at which it fires.</param>
/// <param name="Firings">Scanned tokens at which it fires.</param>
/// <param name="Mean">Mean activation over its firings.</param>
/// <param name="Max">Largest activation.</param>
/// <param name="Entropy">Token entropy in bits; null where it never fires.</param>
/// <param name="Top">Ids of the first tokens that fire it.</param>
public sealed record UnitTable(
    ImmutableArray<int> Index,
    ImmutableArray<double?> Density,
    ImmutableArray<long> Firings,
    ImmutableArray<double?> Mean,
    ImmutableArray<double?> Max,
    ImmutableArray<double?> Entropy,
    ImmutableArray<ImmutableArray<int>> Top);

/// <summary>What the list shows, and the text of every token that the page names.</summary>
/// <param name="Features">The features.</param>
/// <param name="Neurons">The neurons.</param>
/// <param name="Vocabulary">Token id to text with nothing hidden in it.</param>
public sealed record UnitListContent(UnitTable Features, UnitTable Neurons, ImmutableSortedDictionary<int, string> Vocabulary);

/// <summary>The list of features and neurons: sorted, searched and opened by the page's script.</summary>
public sealed class UnitListPanel : Panel<UnitListContent>
{
    private const int TopTokens = 6;

    /// <inheritdoc/>
    public override string Id => "list";

    /// <inheritdoc/>
    public override string Title => "Features and neurons";

    /// <inheritdoc/>
    public override bool InOverview => false;

    /// <inheritdoc/>
    public override UnitListContent Build(ReportData data) => new(Table(data.Features), Table(data.Neurons), UsedVocabulary(data));

    /// <inheritdoc/>
    public override Markup Render(UnitListContent content) => Markup.Of($"""
        <section id="list" class="list" aria-label="List of features and neurons" hidden>
        <div class="tools">
        <input id="search" type="search" placeholder="Search tokens, text or number" aria-label="Search tokens, text or number" autocomplete="off" spellcheck="false">
        <select id="scope" aria-label="Where to search"><option value="all">in tokens and contexts</option><option value="tokens">in tokens that fire it</option></select>
        <label class="sort-choice">Sort <select id="sort" aria-label="Sort by"></select></label>
        <output id="shown" for="search"></output>
        <span class="keys"><kbd>/</kbd> search <kbd>↑</kbd><kbd>↓</kbd> move <kbd>Enter</kbd> open <kbd>Esc</kbd> back</span>
        </div>
        <div id="rows" class="rows"><table role="grid" tabindex="0" aria-label="Units"><thead></thead><tbody></tbody></table></div>
        </section>
        {Markup.Data("units", [content])}
        """);

    private static UnitTable Table(ImmutableArray<UnitEvidence> units) => new(
        [.. units.Select(u => u.Index)],
        [.. units.Select(u => Numbers.Rounded(u.Density))],
        [.. units.Select(u => u.Firings)],
        [.. units.Select(u => Numbers.Rounded(u.Mean))],
        [.. units.Select(u => Numbers.Rounded(u.Max))],
        [.. units.Select(u => Numbers.Rounded(u.TokenEntropy))],
        [.. units.Select(u => u.Tokens.Take(TopTokens).Select(t => t.Token).ToImmutableArray())]);

    private static ImmutableSortedDictionary<int, string> UsedVocabulary(ReportData data) => data.Features.Concat(data.Neurons)
        .SelectMany(UsedTokens).Distinct()
        .ToImmutableSortedDictionary(id => id, id => TokenMarkup.Text(id, data));

    private static IEnumerable<int> UsedTokens(UnitEvidence unit) => unit.Tokens.Select(t => t.Token)
        .Concat(unit.Contexts.SelectMany(c => c.Tokens))
        .Concat(unit.Promoted.Concat(unit.Suppressed).Select(e => e.Token));
}

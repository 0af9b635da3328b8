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
/// <param name="Ablation">Rise of the next token's loss without it at its strongest contexts, nats; null where not measured.</param>
/// <param name="Purity">Largest share of its firings on one token.</param>
/// <param name="Consistency">Overlap of its weaker firings' tokens with those of the strongest.</param>
/// <param name="ByToken">Share of the entropy of firing that the token explains; empty where no unit has it.</param>
/// <param name="ByContext">Share that the token and the two before it explain; empty where no unit has it.</param>
/// <param name="Top">Ids of the first tokens that fire it.</param>
/// <param name="X">Place on the first principal component of the decoder directions, in thousandths of the widest; null without one.</param>
/// <param name="Y">Place on the second; null without one.</param>
public sealed record UnitTable(
    ImmutableArray<int> Index,
    ImmutableArray<double?> Density,
    ImmutableArray<long> Firings,
    ImmutableArray<double?> Mean,
    ImmutableArray<double?> Max,
    ImmutableArray<double?> Entropy,
    ImmutableArray<double?> Ablation,
    ImmutableArray<double?> Purity,
    ImmutableArray<double?> Consistency,
    ImmutableArray<double?> ByToken,
    ImmutableArray<double?> ByContext,
    ImmutableArray<ImmutableArray<int>> Top,
    ImmutableArray<int?> X,
    ImmutableArray<int?> Y);

/// <summary>What the list shows, and the text of every token that the page names.</summary>
/// <param name="Features">The features.</param>
/// <param name="Neurons">The neurons.</param>
/// <param name="Vocabulary">Token id to text with nothing hidden in it.</param>
/// <param name="Dictionary">What bookmarks and notes are kept under in the browser.</param>
/// <param name="PagesPerBlock">Pages that are unpacked together.</param>
/// <param name="TextsPerBlock">Units whose tokens are unpacked together.</param>
public sealed record UnitListContent(UnitTable Features, UnitTable Neurons, ImmutableSortedDictionary<int, string> Vocabulary, string Dictionary, int PagesPerBlock, int TextsPerBlock);

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
    public override UnitListContent Build(ReportData data) => new(Table(data.Features), Table(data.Neurons), UsedVocabulary(data), KeyOf(data.Run), UnitPagePanel.PagesPerBlock, UnitPagePanel.TextsPerBlock);

    /// <inheritdoc/>
    public override Markup Render(UnitListContent content) => Markup.Of($"""
        <section id="list" class="list" aria-label="List of features and neurons" hidden>
        <div class="tools">
        <input id="search" type="search" placeholder="Search: stream, #12, density&gt;0.01, entropy&lt;2" aria-label="Search tokens, text, number, or by conditions such as density&gt;0.01" autocomplete="off" spellcheck="false">
        <select id="scope" aria-label="Where to search"><option value="all">in tokens and contexts</option><option value="tokens">in tokens that fire it</option></select>
        <select id="filter" aria-label="Which to show"><option value="all">all</option><option value="firing">that fire</option><option value="dense">dense: over 10 %</option><option value="rare">rare: under 0.01 %</option><option value="dead">that never fire</option><option value="marked">bookmarked or noted</option></select>
        <label class="sort-choice">Sort <select id="sort" aria-label="Sort by"></select></label>
        <output id="shown" for="search"></output>
        <button id="export" type="button" hidden>Export notes</button>
        <span class="keys"><kbd>/</kbd> search <kbd>↑</kbd><kbd>↓</kbd> move <kbd>Enter</kbd> open <kbd>b</kbd> bookmark <kbd>Esc</kbd> back</span>
        </div>
        <div id="rows" class="rows"><table role="grid" tabindex="0" aria-label="Units"><thead></thead><tbody></tbody></table></div>
        </section>
        {Markup.Data("units", [content])}
        """);

    // The hash of the dictionary, so that a new report of the same one finds the notes again.
    private static string KeyOf(FeatureIndexCard run) =>
        VisibleText.Of(run.Provenance.LastOrDefault(artefact => artefact.Name == "dictionary")?.Value ?? run.ModelSha256);

    private static UnitTable Table(ImmutableArray<UnitEvidence> units) => new(
        [.. units.Select(u => u.Index)],
        [.. units.Select(u => Numbers.Rounded(u.Density))],
        [.. units.Select(u => u.Firings)],
        [.. units.Select(u => Numbers.Rounded(u.Mean))],
        [.. units.Select(u => Numbers.Rounded(u.Max))],
        [.. units.Select(u => Numbers.Rounded(u.TokenEntropy))],
        [.. units.Select(u => Numbers.Rounded(u.AblationLoss, 3))],
        Known(units, u => u.Purity),
        Known(units, u => u.DecileConsistency),
        Known(units, u => u.TokenPredictability),
        Known(units, u => u.ContextPredictability),
        [.. units.Select(u => u.Tokens.Take(TopTokens).Select(t => t.Token).ToImmutableArray())],
        Places(units, point => point.X),
        Places(units, point => point.Y));

    private static ImmutableArray<double?> Known(ImmutableArray<UnitEvidence> units, Func<UnitEvidence, double?> score) =>
        units.Any(unit => score(unit) is not null) ? [.. units.Select(unit => Numbers.Rounded(score(unit), 3))] : [];

    private static ImmutableArray<int?> Places(ImmutableArray<UnitEvidence> units, Func<MapPoint, double> coordinate)
    {
        double widest = units.Where(u => u.Map is not null).Select(u => Math.Max(Math.Abs(u.Map!.X), Math.Abs(u.Map.Y))).DefaultIfEmpty().Max();
        if (!(widest > 0 && double.IsFinite(widest))) return [];
        return [.. units.Select(u => u.Map is null ? (int?)null : (int)Math.Round(1000 * coordinate(u.Map) / widest))];
    }

    private static ImmutableSortedDictionary<int, string> UsedVocabulary(ReportData data) => data.Features.Concat(data.Neurons)
        .SelectMany(UsedTokens).Distinct()
        .ToImmutableSortedDictionary(id => id, id => TokenMarkup.Text(id, data));

    private static IEnumerable<int> UsedTokens(UnitEvidence unit) => unit.Tokens.Select(t => t.Token)
        .Concat(unit.Contexts.SelectMany(c => c.Tokens))
        .Concat(unit.Groups.SelectMany(g => g.Contexts).SelectMany(c => c.Tokens))
        .Concat(unit.Promoted.Concat(unit.Suppressed).Select(e => e.Token));
}

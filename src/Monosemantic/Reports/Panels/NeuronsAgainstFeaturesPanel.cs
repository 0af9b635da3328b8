using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Reports.Panels;

/// <summary>Token entropies of one kind of unit.</summary>
/// <param name="Counted">Units that fire.</param>
/// <param name="Never">Units that never fire, left out.</param>
/// <param name="Entropy">Their token entropies in bits.</param>
/// <param name="Quartiles">Quartiles of the entropies; null where none fires.</param>
public sealed record EntropySide(int Counted, int Never, Distribution Entropy, Quartiles? Quartiles);

/// <summary>Another number of single units, on both sides.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Meaning">What it is, in one line.</param>
/// <param name="Features">Its quartiles over the features that have it; null where none has.</param>
/// <param name="Neurons">The same over the neurons.</param>
public sealed record ScoreSides(string Name, string Meaning, Quartiles? Features, Quartiles? Neurons);

/// <summary>Token entropies and other scores of features and neurons.</summary>
/// <param name="Features">The features.</param>
/// <param name="Neurons">The neurons; null where none were scanned.</param>
/// <param name="NeuronDefinition">What a neuron is here.</param>
/// <param name="Scores">The other scores, those that any unit has.</param>
public sealed record NeuronsAgainstFeaturesContent(EntropySide Features, EntropySide? Neurons, string NeuronDefinition, ImmutableArray<ScoreSides> Scores);

/// <summary>The comparison of features with raw neurons by numbers that need no language model to judge.</summary>
public sealed class NeuronsAgainstFeaturesPanel : Panel<NeuronsAgainstFeaturesContent>
{
    private static readonly (string Name, string Meaning, Func<UnitEvidence, double?> Of)[] Others =
    [
        ("Purity", "largest share of its firings on one token", unit => unit.Purity),
        ("Consistency", "overlap of the tokens of its weaker firings with those of the strongest", unit => unit.DecileConsistency),
        ("Predicted by token", "share of the entropy of its firing that the token explains on held-out rows", unit => unit.TokenPredictability),
        ("By token and two before", "the same by the token and the two before it", unit => unit.ContextPredictability),
        ("Loss without it", "mean rise of the next token's loss, in nats, when it is taken away at its strongest contexts", unit => unit.AblationLoss),
    ];

    /// <inheritdoc/>
    public override string Id => "neurons-against-features";

    /// <inheritdoc/>
    public override string Title => "Neurons against features";

    /// <inheritdoc/>
    public override NeuronsAgainstFeaturesContent? Build(ReportData data)
    {
        if (data.Features.IsEmpty) return null;
        double widest = data.Features.Concat(data.Neurons).Max(u => Entropy(u)) ?? 0;
        double high = Math.Max(1, Math.Ceiling(widest));
        return new(Side(data.Features, high), data.Neurons.IsEmpty ? null : Side(data.Neurons, high), data.Run.NeuronDefinition,
            [.. Others.Select(score => new ScoreSides(score.Name, score.Meaning, Of(data.Features, score.Of), Of(data.Neurons, score.Of))).Where(score => score.Features is not null || score.Neurons is not null)]);
    }

    /// <inheritdoc/>
    public override Markup Render(NeuronsAgainstFeaturesContent content)
    {
        double full = Math.Max(Tallest(content.Features), content.Neurons is { } n ? Tallest(n) : 0);
        return Markup.Of($"""
            <p class="note"><b>Token entropy</b>: take a unit's activation summed over the scan, split it by the token it fired on, and measure the entropy of that
            distribution in bits. 0 bits: one token alone fires it. b bits: it spreads as over 2<sup>b</sup> tokens equally. Low means that the unit is about few tokens.
            Units that never fire have no such number and are left out.</p>
            <div class="pair">{Figure("Features", "features", "bar-feature", content.Features, full)}{(content.Neurons is { } side ? Figure("Neurons", "neurons", "bar-neuron", side, full) : Markup.Empty)}</div>
            {Comparison(content)}
            {Scores(content)}
            <p class="note"><b>Neuron</b>: {content.NeuronDefinition}</p>
            """);
    }

    private static EntropySide Side(ImmutableArray<UnitEvidence> units, double high)
    {
        double[] bits = [.. units.Select(Entropy).OfType<double>().Order()];
        return new(bits.Length, units.Length - bits.Length, Distribution.Of(bits, 0, high, (int)Math.Min(48, high * 4)), Quartiles.Of(bits));
    }

    private static double? Entropy(UnitEvidence unit) => unit.Firings > 0 && unit.TokenEntropy is { } bits && double.IsFinite(bits) ? bits : null;

    private static double Tallest(EntropySide side) => side.Entropy.Counts.Max() / (double)Math.Max(1, side.Counted);

    private static Markup Figure(string heading, string unit, string style, EntropySide side, double full)
    {
        int step = side.Entropy.High > 10 ? 2 : 1;
        var chart = new BarChart
        {
            Label = $"Histogram of token entropy over {Numbers.Count(side.Counted)} {unit}; median {Numbers.Short(side.Quartiles?.Median)} bits",
            Unit = unit,
            Axis = "token entropy, bits",
            Style = style,
            Bins = side.Entropy,
            FullHeight = full,
            Ticks = [.. Enumerable.Range(0, (int)side.Entropy.High + 1).Where(b => b % step == 0).Select(b => ((double)b, $"{b}"))],
            Marker = side.Quartiles is { } q ? (q.Median, $"median {Bits(q.Median)} bits") : null,
        };
        return Markup.Of($"<figure><figcaption>{heading}</figcaption>{chart.Draw()}</figure>");
    }

    private static Markup Comparison(NeuronsAgainstFeaturesContent content) => Markup.Of($"""
        <div class="scroll"><table class="compare"><thead><tr><th scope="col">Token entropy, bits</th><th scope="col" class="number">Counted</th><th scope="col" class="number">Never fire</th>
        <th scope="col" class="number">Lower quartile</th><th scope="col" class="number">Median</th><th scope="col" class="number">Upper quartile</th></tr></thead>
        <tbody>{Row("Features", content.Features)}{(content.Neurons is { } neurons ? Row("Neurons", neurons) : Markup.Empty)}</tbody></table></div>
        """);

    private static Quartiles? Of(ImmutableArray<UnitEvidence> units, Func<UnitEvidence, double?> score) =>
        Quartiles.Of([.. units.Select(score).OfType<double>().Where(double.IsFinite).Order()]);

    private static Markup Scores(NeuronsAgainstFeaturesContent content) => content.Scores.IsEmpty ? Markup.Empty : Markup.Of($"""
        <div class="scroll"><table class="compare scores"><thead><tr><th scope="col">Other scores: median, quartiles</th><th scope="col" class="number">Features</th>
        {(content.Neurons is null ? Markup.Empty : Markup.Of($"<th scope=\"col\" class=\"number\">Neurons</th>"))}</tr></thead>
        <tbody>{content.Scores.Select(score => Markup.Of($"""
            <tr><th scope="row">{score.Name}<br><small>{score.Meaning}</small></th><td class="number">{Spread(score.Features)}</td>{(content.Neurons is null ? Markup.Empty : Markup.Of($"<td class=\"number\">{Spread(score.Neurons)}</td>"))}</tr>
            """))}</tbody></table></div>
        """);

    private static Markup Spread(Quartiles? of) => of is null
        ? Markup.Of($"{Numbers.None}")
        : Markup.Of($"{Bits(of.Median)}<br><small>{Bits(of.Lower)} to {Bits(of.Upper)}</small>");

    private static Markup Row(string name, EntropySide side) => Markup.Of($"""
        <tr><th scope="row">{name}</th><td class="number">{Numbers.Count(side.Counted)}</td><td class="number">{Numbers.Count(side.Never)}</td><td class="number">{Bits(side.Quartiles?.Lower)}</td><td class="number">{Bits(side.Quartiles?.Median)}</td><td class="number">{Bits(side.Quartiles?.Upper)}</td></tr>
        """);

    private static string Bits(double? bits) => Numbers.Short(Numbers.Rounded(bits, 3));
}

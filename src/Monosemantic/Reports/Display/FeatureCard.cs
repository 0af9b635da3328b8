using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Reports.Display;

/// <summary>One feature or neuron in a notebook: its numbers, tokens, contexts coloured by activation, logits and neighbours.</summary>
internal static class FeatureCard
{
    private const int MostTokens = 8, MostContexts = 6, MostLogits = 6, Reach = 14;
    private const string Muted = "color:#6b7079", Chip = "font-family:monospace;padding:0 4px;border-radius:3px;background:rgba(128,128,128,.16);white-space:pre";
    private const string Column = "flex:1 1 280px;min-width:240px", Cell = "padding:1px 14px 1px 0;text-align:left";

    /// <summary>The card.</summary>
    internal static Markup Draw(FeatureView view)
    {
        UnitEvidence unit = view.Unit;
        string name = unit.Kind == UnitKind.Feature ? "Feature" : "Neuron";
        return Markup.Of($"""
            <div style="border:1px solid rgba(128,128,128,.35);border-radius:8px;padding:12px 16px;max-width:960px;font-size:14px">
            <div><b style="font-size:17px">{name} {unit.Index}</b> <span style="{Muted}">fires at {Numbers.Percent(unit.Density)} of the tokens ({Numbers.Count(unit.Firings)}), mean {Numbers.Short(unit.Mean)}, max {Numbers.Short(unit.Max)}, token entropy {Numbers.Short(unit.TokenEntropy)} bits{Loss(unit)}</span></div>
            {(unit.Contexts.IsEmpty ? Markup.Of($"<p>It fires nowhere in the scanned text.</p>") : Body(view))}</div>
            """);
    }

    private static Markup Body(FeatureView view) => Markup.Of($"""
        <ol style="margin:10px 0;padding-left:26px;line-height:1.7">{view.Unit.Contexts.Take(MostContexts).Select(context => Context(view, context))}</ol>
        <div style="display:flex;flex-wrap:wrap;gap:8px 28px">{Tokens(view)}{Logits("Raises the logits of", view, view.Unit.Promoted)}{Logits("Lowers the logits of", view, view.Unit.Suppressed)}{Neighbours(view)}</div>
        """);

    private static string Loss(UnitEvidence unit) => unit.AblationLoss is { } loss ? $"; the next token's loss is {Numbers.Short(Math.Abs(loss))} nats {(loss >= 0 ? "higher" : "lower")} without it" : "";

    private static Markup Context(FeatureView view, ContextEvidence context)
    {
        int from = Math.Max(0, context.Peak - Reach), to = Math.Min(context.Tokens.Length, context.Peak + Reach + 1);
        double scale = Math.Max(view.Unit.Max, double.Epsilon);
        return Markup.Of($"<li style=\"list-style:none\"><span style=\"{Muted}\">{Numbers.Short(context.Activations[context.Peak])}</span> {Enumerable.Range(from, to - from).Select(at => Token(view, context, at, scale))}</li>\n");
    }

    // A token that fires carries its value as a title, and as colour; the peak is bold, so that colour is not all there is.
    private static Markup Token(FeatureView view, ContextEvidence context, int at, double scale)
    {
        string text = Text(view, context.Tokens[at]);
        double value = context.Activations[at];
        if (value <= 0) return Markup.Of($"{text}");
        string space = text.Length > 1 && text[0] == ' ' ? " " : "", strength = Numbers.Coordinate(0.12 + (0.7 * Math.Min(1, value / scale)));
        return Markup.Of($"{space}<mark title=\"{Numbers.Short(value)}\" style=\"background:rgba(232,137,60,{strength});color:inherit;border-radius:2px;{(at == context.Peak ? "font-weight:700;text-decoration:underline" : "")}\">{text[space.Length..]}</mark>");
    }

    private static Markup Tokens(FeatureView view) => Markup.Of($"""
        <div style="{Column}"><small style="{Muted}">Tokens that fire it: count, share of the token's places</small>
        <table style="border-collapse:collapse;font-size:13px">{view.Unit.Tokens.Take(MostTokens).Select(token => Markup.Of($"<tr><td style=\"{Cell}\"><span style=\"{Chip}\">{Text(view, token.Token)}</span></td><td style=\"{Cell}\">{Numbers.Count(token.Count)}</td><td style=\"{Cell}\">{Numbers.Percent((double)token.Count / Math.Max(1, token.Occurrences))}</td></tr>"))}</table></div>

        """);

    private static Markup Logits(string title, FeatureView view, ImmutableArray<LogitEffect> effects) => effects.IsEmpty ? Markup.Empty : Markup.Of($"""
        <div><small style="{Muted}">{title}</small>
        <table style="border-collapse:collapse;font-size:13px">{effects.Take(MostLogits).Select(effect => Markup.Of($"<tr><td style=\"{Cell}\"><span style=\"{Chip}\">{Text(view, effect.Token)}</span></td><td style=\"{Cell}\">{Numbers.Short(effect.Logit)}</td></tr>"))}</table></div>

        """);

    private static Markup Neighbours(FeatureView view)
    {
        NeighbourEvidence[] near = [.. view.Unit.Neighbours.Where(neighbour => neighbour is { Relation: Relation.Cosine, Kind: UnitKind.Feature }).Take(4)];
        return near.Length == 0 ? Markup.Empty : Markup.Of($"<div><small style=\"{Muted}\">Closest directions (cosine)</small><br>{near.Select(neighbour => Markup.Of($"feature {neighbour.Index} ({Numbers.Short(neighbour.Value)})<br>"))}</div>\n");
    }

    private static string Text(FeatureView view, int token) => VisibleText.Of(view.Index.TokenText(token));
}

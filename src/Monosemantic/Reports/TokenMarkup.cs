using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Reports;

/// <summary>Tokens as HTML, drawn the way the page's script draws them.</summary>
internal static class TokenMarkup
{
    /// <summary>A token standing alone: the spaces at its ends, which matter to the model, are marked.</summary>
    /// <param name="text">The token's text.</param>
    public static Markup Chip(string text)
    {
        string start = text.TrimStart(' '), inner = start.TrimEnd(' ');
        return Markup.Of($"<span class=\"token\">{Spaces(text.Length - start.Length)}{inner}{Spaces(start.Length - inner.Length)}</span>");
    }

    /// <summary>What is shown of a token; one without text, or an empty one, is shown by its number.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="data">The report's data, whose vocabulary is asked.</param>
    public static string Text(int id, ReportData data) => data.Vocabulary.TryGetValue(id, out string? text) && text.Length > 0
        ? VisibleText.Of(text)
        : $"⟨token {id}⟩";

    /// <summary>The text around a context's peak, with the peak marked.</summary>
    /// <param name="context">The context.</param>
    /// <param name="reach">How many tokens to show on each side.</param>
    /// <param name="text">The text of a token.</param>
    public static ImmutableArray<string> AroundPeak(ContextEvidence context, int reach, Func<int, string> text)
    {
        int from = Math.Max(0, context.Peak - reach), to = Math.Min(context.Tokens.Length, context.Peak + reach + 1);
        // The spaces before the peak's word go with the text before it: a mark on them looks like a slip.
        string peak = text(context.Tokens[context.Peak]);
        int spaces = peak.Length - peak.TrimStart(' ').Length;
        if (spaces == peak.Length) spaces = 0;
        return
        [
            string.Concat(context.Tokens[from..context.Peak].Select(text)) + peak[..spaces],
            peak[spaces..],
            string.Concat(context.Tokens[(context.Peak + 1)..to].Select(text)),
        ];
    }

    private static Markup Spaces(int count) => count == 0 ? Markup.Empty : Markup.Of($"<span class=\"space\">{new string('·', count)}</span>");
}

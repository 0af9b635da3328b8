using System.Collections.Immutable;
using Monosemantic.Text;

namespace Monosemantic.Metrics.Probing;

/// <summary>A yes-or-no question about a token, which its text answers.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Summary">When the answer is yes.</param>
/// <param name="Holds">The answer for a document's token.</param>
internal sealed record TokenTask(string Name, string Summary, Func<TextTokens, int, bool> Holds);

/// <summary>A question about a document with several answers; each common one becomes a yes-or-no question.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Summary">What the answer says.</param>
/// <param name="ClassOf">The answer; null where there is none.</param>
internal sealed record DocumentTask(string Name, string Summary, Func<TextTokens, string?> ClassOf);

/// <summary>What probes are asked about, one line each.</summary>
internal static class ProbeTasks
{
    /// <summary>Questions about a token.</summary>
    internal static ImmutableArray<TokenTask> OfTokens { get; } =
    [
        new("capitalised", "its first letter is a capital", (text, token) => text.Content(token) is [var first, ..] && char.IsUpper(first)),
        new("numeric", "it has a digit", (text, token) => text.Content(token).ContainsAnyInRange('0', '9')),
        new("punctuation", "it has no letter and no digit", (text, token) => text.Content(token) is { IsEmpty: false } content && !Any(content, char.IsLetterOrDigit)),
        new("word_start", "a word begins with it", (text, token) => text.Word(token).Length > 0 && (text.ContentStart(token) is var at) && (at == 0 || !char.IsLetterOrDigit(text.Text[at - 1]))),
        new("inside_quotes", "it stands between quotation marks", (text, token) => text.Quoted[token]),
        new("inside_brackets", "it stands between round brackets", (text, token) => text.Bracketed[token]),
        new("after_newline", "it is the first of its line", (text, token) => text.FirstOfLine[token]),
        new("repetition", "the same token stood in the document before", (text, token) => text.Repeated[token]),
        new("first_third", "it stands in the first third of its document", (text, token) => token * 3 < text.Count),
        .. WordLists.PartsOfSpeech.Select(part => new TokenTask(part.Name, $"its word is in the list of {part.Name}s", (text, token) => part.Words.Contains(text.Word(token)))),
    ];

    /// <summary>Questions about a token of the reference documentation.</summary>
    internal static ImmutableArray<TokenTask> OfReferenceTokens { get; } =
    [
        .. new[] { "heading", "description", "parameter", "returns", "throws", "value" }.Select(section => new TokenTask($"section:{section}", $"it stands in the {section} of an entry", (text, token) => text.Section(token) == section)),
    ];

    /// <summary>Questions about a document.</summary>
    /// <param name="types">Full names of the documented types; null where the text is no reference documentation.</param>
    internal static ImmutableArray<DocumentTask> OfDocuments(IReadOnlySet<string>? types) => types is null
        ?
        [
            new("source", "the file that the document is of", text => text.Name.LastIndexOf(':') is > 0 and var colon ? text.Name[..colon] : null),
            new("language", "the language that most of its common words are of", text => WordLists.LanguageOf(text.Text)),
        ]
        :
        [
            new("namespace", "the namespace of the documented type or member", text => DocumentationId.Parse(text.Name, types).Namespace is { Length: > 0 } name ? name : null),
            new("kind", "what is documented: a type, a method, a property", text => DocumentationId.Parse(text.Name, types).Kind.ToString().ToLowerInvariant()),
        ];

    private static bool Any(ReadOnlySpan<char> text, Func<char, bool> holds)
    {
        foreach (char letter in text)
        {
            if (holds(letter)) return true;
        }
        return false;
    }
}

using System.Collections.Immutable;
using System.Text;
using Monosemantic.Runtime;

namespace Monosemantic.Models;

/// <summary>
/// Characters as token ids: the distinct Unicode characters of a text in the order of their code points, numbered from 0. One
/// more id, <see cref="PaddingId"/>, fills lines up to a common length; it is read but never predicted.
/// </summary>
public sealed class SimpleTransformerVocabulary
{
    private readonly Dictionary<Rune, int> ids;

    private SimpleTransformerVocabulary(IEnumerable<Rune> characters)
    {
        Characters = [.. characters];
        ids = Characters.Select((character, id) => (character, id)).ToDictionary(pair => pair.character, pair => pair.id);
    }

    /// <summary>The characters, in the order of their ids.</summary>
    public ImmutableArray<Rune> Characters { get; }

    /// <summary>Number of characters.</summary>
    public int Size => Characters.Length;

    /// <summary>The id that fills up a line: one past the last character's.</summary>
    public int PaddingId => Size;

    /// <summary>All characters in one text, from which <see cref="Of(string)"/> makes the vocabulary again.</summary>
    public string Text => string.Concat(Characters);

    /// <summary>The vocabulary of a text.</summary>
    /// <param name="text">The text, at least one character.</param>
    public static SimpleTransformerVocabulary Of(string text) => Of([text]);

    /// <summary>The vocabulary of a text.</summary>
    /// <param name="lines">Its lines, of which at least one is not empty.</param>
    public static SimpleTransformerVocabulary Of(IEnumerable<string> lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        var seen = new HashSet<Rune>();
        foreach (string line in lines)
        {
            foreach (Rune character in line.EnumerateRunes()) seen.Add(character);
        }
        if (seen.Count == 0) throw new ArgumentException("a vocabulary needs a text of at least one character", nameof(lines));
        return new(seen.Order());
    }

    /// <summary>The ids of a text's characters.</summary>
    /// <param name="text">The text.</param>
    /// <param name="what">What the text is called in an error, such as <c>the prompt</c>.</param>
    /// <exception cref="UserErrorException">The text has characters that the vocabulary lacks; all of them are named.</exception>
    public int[] Encode(string text, string what)
    {
        ArgumentNullException.ThrowIfNull(text);
        Rune[] characters = [.. text.EnumerateRunes()], unknown = [.. characters.Where(character => !ids.ContainsKey(character)).Distinct()];
        if (unknown.Length == 0) return [.. characters.Select(character => ids[character])];
        throw new UserErrorException(
            $"{what} has {(unknown.Length == 1 ? "a character" : $"{unknown.Length} characters")} that the text does not: {string.Join(", ", unknown.Select(Named))}",
            $"use only the {Size} characters of the text: {string.Join("", Characters.Take(200).Where(character => !Rune.IsControl(character)))}{(Size > 200 ? " ..." : "")}");
    }

    /// <summary>The text of ids.</summary>
    /// <param name="characterIds">Ids below <see cref="Size"/>.</param>
    public string Decode(IEnumerable<int> characterIds) => string.Concat(characterIds.Select(id => Characters[id]));

    private static string Named(Rune character) => Rune.IsControl(character) || Rune.IsWhiteSpace(character) ? $"U+{character.Value:X4}" : $"'{character}' (U+{character.Value:X4})";
}

using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Monosemantic.Metrics.Probing;

/// <summary>Words of closed classes, which can be listed: parts of speech of English, and what tells languages apart.</summary>
internal static class WordLists
{
    /// <summary>Parts of speech that new words do not join.</summary>
    internal static ImmutableArray<(string Name, FrozenSet<string> Words)> PartsOfSpeech { get; } =
    [
        ("determiner", Words("a an the this that these those each every either neither some any no all both such another")),
        ("preposition", Words("of in to for with on at from by about as into like through after over between out against during without before under around among within along across behind beyond upon toward towards off onto until via per")),
        ("pronoun", Words("i you he she it we they me him her us them my your his its our their mine yours hers ours theirs myself itself himself herself themselves who whom whose which what")),
        ("conjunction", Words("and or but nor so yet because although though while whereas unless since if whether than")),
        ("auxiliary", Words("is are was were be been being am do does did has have had having can could may might must shall should will would")),
    ];

    /// <summary>The commonest words of some languages, those that two of them share left out.</summary>
    internal static ImmutableArray<(string Name, FrozenSet<string> Words)> Languages { get; } =
    [
        ("english", Words("the and of to that is was for with are this which from have not")),
        ("german", Words("der die das und ist nicht ein eine mit von auf für sich den dem auch")),
        ("french", Words("le les des et est une dans que pour pas qui sur avec ce cette")),
        ("spanish", Words("el los las y es una por con para como más pero su este esta")),
        ("italian", Words("il gli di che è per non sono della del nel alla anche più questo")),
        ("portuguese", Words("o os do da em um uma não para são ao pela mais como seu")),
        ("dutch", Words("het een van en niet dat op te zijn voor met er aan ook maar")),
    ];

    /// <summary>The language that most of a text's common words are of; null where they do not say.</summary>
    internal static string? LanguageOf(string text)
    {
        string[] words = text.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        (string name, int count, int second) = ("", 0, 0);
        foreach ((string language, FrozenSet<string> common) in Languages)
        {
            int found = words.Count(common.Contains);
            if (found > count) (name, count, second) = (language, found, count);
            else second = Math.Max(second, found);
        }
        return count >= 3 && count >= 2 * second ? name : null;
    }

    private static FrozenSet<string> Words(string words) => words.Split(' ').ToFrozenSet(StringComparer.Ordinal);
}

using System.Globalization;

namespace Monosemantic.Text.Tokenizers;

/// <summary>Decompositions, compositions and combining classes, read from the table that the assembly carries.</summary>
internal static class UnicodeData
{
    private const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7;
    private const int Leads = 19, Vowels = 21, Tails = 28, Syllables = Leads * Vowels * Tails;

    private static readonly Lazy<Tables> Loaded = new(Read);

    /// <summary>The canonical combining class of a character; 0 for most.</summary>
    public static int CombiningClass(int character) => character < 0x300 ? 0 : Loaded.Value.Classes.GetValueOrDefault(character);

    /// <summary>Whether a character of class 0 can be the second half of a composition.</summary>
    public static bool ComposesWithPrevious(int character) =>
        character is (>= VowelBase and < VowelBase + Vowels) or (> TailBase and < TailBase + Tails) || Loaded.Value.Seconds.Contains(character);

    /// <summary>Adds the full decomposition of a character.</summary>
    public static void Decompose(int character, bool compatibility, List<int> to)
    {
        int syllable = character - HangulBase;
        if (syllable is >= 0 and < Syllables)
        {
            to.Add(LeadBase + syllable / (Vowels * Tails));
            to.Add(VowelBase + syllable / Tails % Vowels);
            if (syllable % Tails > 0) to.Add(TailBase + syllable % Tails);
        }
        else if (compatibility && Loaded.Value.Compatibility.TryGetValue(character, out int[]? plain)) to.AddRange(plain);
        else if (Loaded.Value.Canonical.TryGetValue(character, out int[]? parts)) to.AddRange(parts);
        else to.Add(character);
    }

    /// <summary>The character that two become, or -1.</summary>
    public static int Compose(int first, int second)
    {
        int lead = first - LeadBase, vowel = second - VowelBase, syllable = first - HangulBase, tail = second - TailBase;
        if (lead is >= 0 and < Leads && vowel is >= 0 and < Vowels) return HangulBase + (lead * Vowels + vowel) * Tails;
        if (syllable is >= 0 and < Syllables && syllable % Tails == 0 && tail is > 0 and < Tails) return first + tail;
        return Loaded.Value.Wholes.GetValueOrDefault((first, second), -1);
    }

    private static Tables Read()
    {
        using Stream stream = typeof(UnicodeData).Assembly.GetManifestResourceStream("Text/normalization.txt")!;
        using var reader = new StreamReader(stream);
        var tables = new Tables();
        var composed = new List<(int Whole, int[] Parts)>();
        while (reader.ReadLine() is { } line)
        {
            if (line[0] == '#') continue;
            string[] fields = line[1..].Split(' ');
            if (line[0] == '!') AddClass(tables.Classes, fields);
            else AddDecomposition(tables, composed, line[0], Hex(fields[0]), [.. fields[1..].Select(Hex)]);
        }
        foreach ((int whole, int[] parts) in composed.OrderBy(entry => entry.Parts.Length)) AddComposition(tables, whole, parts);
        return tables;
    }

    private static void AddClass(Dictionary<int, int> classes, string[] fields)
    {
        foreach (string range in fields[1..])
        {
            int[] ends = [.. range.Split('-').Select(Hex)];
            for (int character = ends[0]; character <= ends[^1]; character++) classes[character] = int.Parse(fields[0], CultureInfo.InvariantCulture);
        }
    }

    private static void AddDecomposition(Tables tables, List<(int Whole, int[] Parts)> composed, char kind, int character, int[] parts)
    {
        (kind == '~' ? tables.Compatibility : tables.Canonical).Add(character, parts);
        if (kind == '=') composed.Add((character, parts));
    }

    // The table has full decompositions: all but the last part make the character that the last one is put on.
    private static void AddComposition(Tables tables, int whole, int[] parts)
    {
        int first = parts[0];
        if (parts.Length > 2) first = tables.WholeOf[string.Join(' ', parts[..^1])];
        tables.WholeOf[string.Join(' ', parts)] = whole;
        tables.Wholes.Add((first, parts[^1]), whole);
        if (!tables.Classes.ContainsKey(parts[^1])) tables.Seconds.Add(parts[^1]);
    }

    private static int Hex(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private sealed class Tables
    {
        public Dictionary<int, int[]> Canonical { get; } = [];
        public Dictionary<int, int[]> Compatibility { get; } = [];
        public Dictionary<int, int> Classes { get; } = [];
        public Dictionary<(int First, int Second), int> Wholes { get; } = [];
        public Dictionary<string, int> WholeOf { get; } = [];
        public HashSet<int> Seconds { get; } = [];
    }
}

using System.Text;

namespace Monosemantic.Text.Tokenizers;

/// <summary>A piece of a SentencePiece model.</summary>
/// <param name="Text">Its text.</param>
/// <param name="Score">How early it is made by merging: the highest first.</param>
internal sealed record ScoredPiece(string Text, float Score);

/// <summary>
/// SentencePiece's byte pairs: any two neighbours that together are a piece can merge, the piece of the highest score first, the
/// leftmost of equals. Written as rules, one for each way to cut a piece in two. (Microsoft.ML.Tokenizers
/// merges these too, but gives other ids than SentencePiece for "!!!!!!" and for runs of dashes.)
/// </summary>
internal static class ScoredMerges
{
    /// <summary>Makes the model.</summary>
    /// <param name="pieces">The pieces by id.</param>
    /// <param name="byteTokens">The token of each byte; null where there is none.</param>
    /// <param name="unknown">The token of unknown characters.</param>
    /// <param name="isText">Which pieces are found in text: not the marks and bytes.</param>
    /// <param name="looseCharacters">Whether merging can start from characters that are no pieces by themselves.</param>
    public static BytePairModel Model(IReadOnlyList<ScoredPiece> pieces, int[]? byteTokens, UnknownToken unknown, Func<int, bool> isText, bool looseCharacters)
    {
        var symbolOf = new Dictionary<string, int>(StringComparer.Ordinal);
        int[] texts = [.. Enumerable.Range(0, pieces.Count).Where(id => isText(id) && pieces[id].Text.Length > 0)];
        foreach (int id in texts) symbolOf.TryAdd(pieces[id].Text, id);
        Rune[] loose = looseCharacters ? [.. texts.SelectMany(id => pieces[id].Text.EnumerateRunes()).Distinct().Where(rune => !symbolOf.ContainsKey(rune.ToString()))] : [];
        for (int i = 0; i < loose.Length; i++) symbolOf.Add(loose[i].ToString(), pieces.Count + i);
        var symbols = new CharacterSymbols(BytePairModels.Characters(symbolOf), byteTokens, unknown);
        Dictionary<(int Left, int Right), BytePairRule> rules = Rules(pieces, texts, symbolOf);
        return new BytePairModel(symbols, new MergeTable(rules))
        {
            Loose = loose.Length > 0 ? new LooseSymbols(pieces.Count, loose, byteTokens, unknown) : null,
            // Characters that turn out unknown only after merging may belong to a run that a cut would part.
            Cuts = rules.Count > 0 && (loose.Length == 0 || byteTokens is not null) ? new SafeCuts(rules.Values.Select(rule => pieces[rule.Merged].Text).Distinct(), symbols) : null,
        };
    }

    private static Dictionary<(int Left, int Right), BytePairRule> Rules(IReadOnlyList<ScoredPiece> pieces, int[] texts, Dictionary<string, int> symbolOf)
    {
        var rules = new Dictionary<(int Left, int Right), BytePairRule>();
        float[] scores = [.. texts.Select(id => pieces[id].Score).Distinct().OrderDescending()];
        Dictionary<float, int> rankOf = scores.Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        var lookup = symbolOf.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (int id in texts)
        {
            string text = pieces[id].Text;
            // Of two pieces with one text, the first is found.
            if (symbolOf[text] != id) continue;
            for (int cut = 1; cut < text.Length; cut++)
            {
                if (lookup.TryGetValue(text.AsSpan(0, cut), out int left) && lookup.TryGetValue(text.AsSpan(cut), out int right)) rules[(left, right)] = new BytePairRule(rankOf[pieces[id].Score], id);
            }
        }
        return rules;
    }
}

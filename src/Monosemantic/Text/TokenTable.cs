using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Monosemantic.Text;

/// <summary>The tables behind a tokenizer, made from its file and checked: every problem is reported at once.</summary>
internal sealed class TokenTable
{
    // Far above any real vocabulary, far below what a made-up id could make the table allocate.
    private const int MaxId = (1 << 24) - 1;
    private const int MaxProblems = 10;

    private readonly List<string> problems = [];
    private readonly Dictionary<string, int> idOf = new(StringComparer.Ordinal);
    private readonly Dictionary<(int Left, int Right), BytePairRule> rules = [];
    private readonly int[] byteTokens = new int[256];

    public TokenTable(TokenizerFile file, string source)
    {
        Bytes = ReadVocabulary(file);
        Report(source);
        AddTokens(file.AddedTokens);
        ReadBytes();
        ReadMerges(file.Merges);
        Report(source);
        Encoder = new BytePairEncoder(byteTokens, rules);
    }

    /// <summary>The bytes of each token by id; null where no token has that id.</summary>
    public byte[]?[] Bytes { get; }

    /// <summary>The merges, ready to use.</summary>
    public BytePairEncoder Encoder { get; }

    private byte[]?[] ReadVocabulary(TokenizerFile file)
    {
        int highest = -1;
        foreach (int id in file.Vocabulary.Select(token => token.Id).Concat(file.AddedTokens.Select(token => token.Id)))
        {
            if (id is < 0 or > MaxId) problems.Add($"token id {id} is out of range; ids are 0..{MaxId}");
            else highest = Math.Max(highest, id);
        }
        var bytes = new byte[]?[highest + 1];
        foreach (VocabularyToken token in file.Vocabulary.Where(token => token.Id is >= 0 and <= MaxId))
        {
            if (!idOf.TryAdd(token.Text, token.Id)) problems.Add($"model.vocab has \"{token.Text}\" twice");
            if (bytes[token.Id] is not null) problems.Add($"model.vocab gives the id {token.Id} twice");
            bytes[token.Id] = ByteAlphabet.Read(token.Text);
        }
        return bytes;
    }

    private void AddTokens(ImmutableArray<AddedToken> tokens)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (AddedToken token in tokens)
        {
            bool inVocabulary = idOf.TryGetValue(token.Content, out int id);
            if (token.Content.Length == 0) problems.Add($"added_tokens: the token with the id {token.Id} is empty");
            else if (!seen.Add(token.Content)) problems.Add($"added_tokens has \"{token.Content}\" twice");
            else if (inVocabulary ? id != token.Id : Bytes[token.Id] is not null)
            {
                problems.Add($"added_tokens gives \"{token.Content}\" the id {token.Id}, against model.vocab");
            }
            Bytes[token.Id] = Encoding.UTF8.GetBytes(token.Content);
        }
    }

    private void ReadBytes()
    {
        for (int value = 0; value < 256; value++)
        {
            string text = ByteAlphabet.ToCharacter((byte)value).ToString();
            if (idOf.TryGetValue(text, out byteTokens[value])) continue;
            problems.Add($"model.vocab lacks \"{text}\", the token of the byte 0x{value.ToString("X2", CultureInfo.InvariantCulture)}");
        }
    }

    private void ReadMerges(ImmutableArray<MergeRule> merges)
    {
        for (int rank = 0; rank < merges.Length; rank++)
        {
            (string left, string right) = (merges[rank].Left, merges[rank].Right);
            if (!idOf.TryGetValue(left, out int leftId) | !idOf.TryGetValue(right, out int rightId) | !idOf.TryGetValue(left + right, out int merged))
            {
                problems.Add($"model.merges[{rank}] is \"{left} {right}\", but model.vocab lacks one of \"{left}\", \"{right}\" and \"{left + right}\"");
            }
            else if (!rules.TryAdd((leftId, rightId), new BytePairRule(rank, merged))) problems.Add($"model.merges has \"{left} {right}\" twice");
        }
    }

    private void Report(string source)
    {
        List<string> shown = [.. problems.Take(MaxProblems)];
        if (problems.Count > shown.Count) shown.Add($"and {problems.Count - shown.Count} more");
        TokenizerJson.Refuse(shown, source);
    }
}

using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Text.Tokenizers;

/// <summary>The tokens of a file by text and by id, checked; every problem is collected, to be reported at once.</summary>
internal sealed class Vocabulary
{
    // Far above any real vocabulary, far below what a made-up id could make the tables allocate.
    private const int MaxId = (1 << 24) - 1;
    private const int MaxProblems = 10;

    private readonly Dictionary<string, int> idOf = new(StringComparer.Ordinal);
    private readonly List<string> problems = [];
    private readonly string source;

    /// <summary>Reads the tokens of the model and those that are added to them.</summary>
    /// <param name="model">The model's tokens.</param>
    /// <param name="added">Tokens matched as a whole.</param>
    /// <param name="source">The file, for errors.</param>
    /// <exception cref="UserErrorException">Ids or texts contradict each other.</exception>
    public Vocabulary(IReadOnlyCollection<VocabularyToken> model, ImmutableArray<AddedToken> added, string source)
    {
        this.source = source;
        Pieces = new string?[Highest(model.Select(token => token.Id).Concat(added.Select(token => token.Id))) + 1];
        foreach (VocabularyToken token in model)
        {
            if (!idOf.TryAdd(token.Text, token.Id)) problems.Add($"the vocabulary has \"{token.Text}\" twice");
            if (Pieces[token.Id] is not null) problems.Add($"the vocabulary gives the id {token.Id} twice");
            Pieces[token.Id] = token.Text;
        }
        AddTokens(added);
        Report(source);
    }

    /// <summary>Each token as the file writes it, by id; null where no token has that id.</summary>
    public string?[] Pieces { get; }

    /// <summary>The model's tokens by their text.</summary>
    public IReadOnlyDictionary<string, int> IdOf => idOf;

    /// <summary>The tokens of the 256 bytes by how they are written, -1 where there is none.</summary>
    /// <param name="write">How a byte is written.</param>
    public int[] ByteTokens(Func<byte, string> write) => [.. Enumerable.Range(0, 256).Select(value => idOf.GetValueOrDefault(write((byte)value), -1))];

    /// <summary>The merges by their pair.</summary>
    /// <param name="merges">The merges; the earlier one is applied first.</param>
    /// <param name="file">The file that they are from, for errors.</param>
    /// <exception cref="UserErrorException">One names what is no token, or stands twice.</exception>
    public Dictionary<(int Left, int Right), BytePairRule> Rules(ImmutableArray<MergeRule> merges, string file)
    {
        var rules = new Dictionary<(int Left, int Right), BytePairRule>(merges.Length);
        for (int rank = 0; rank < merges.Length; rank++)
        {
            (string left, string right) = (merges[rank].Left, merges[rank].Right);
            if (!idOf.TryGetValue(left, out int leftId) | !idOf.TryGetValue(right, out int rightId) | !idOf.TryGetValue(left + right, out int merged))
            {
                problems.Add($"merges[{rank}] is \"{left} {right}\", but the vocabulary lacks one of \"{left}\", \"{right}\" and \"{left + right}\"");
            }
            else if (!rules.TryAdd((leftId, rightId), new BytePairRule(rank, merged))) problems.Add($"the merge \"{left} {right}\" stands twice (merges[{rank}])");
        }
        Report(file);
        return rules;
    }

    private int Highest(IEnumerable<int> ids)
    {
        int highest = -1;
        foreach (int id in ids)
        {
            if (id is < 0 or > MaxId) problems.Add($"token id {id} is out of range; ids are 0..{MaxId}");
            else highest = Math.Max(highest, id);
        }
        Report(source);
        return highest;
    }

    private void AddTokens(ImmutableArray<AddedToken> tokens)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (AddedToken token in tokens)
        {
            bool inVocabulary = idOf.TryGetValue(token.Content, out int id);
            if (token.Content.Length == 0) problems.Add($"added_tokens: the token with the id {token.Id} is empty");
            else if (!seen.Add(token.Content)) problems.Add($"added_tokens has \"{token.Content}\" twice");
            else if (inVocabulary ? id != token.Id : Pieces[token.Id] is not null)
            {
                problems.Add($"added_tokens gives \"{token.Content}\" the id {token.Id}, against the vocabulary");
            }
            Pieces[token.Id] = token.Content;
        }
    }

    private void Report(string file)
    {
        List<string> shown = [.. problems.Take(MaxProblems)];
        if (problems.Count > shown.Count) shown.Add($"and {problems.Count - shown.Count} more");
        if (shown.Count > 0) throw new UserErrorException($"{file}: {string.Join("; ", shown)}", "take the file from the model's publisher again");
    }
}

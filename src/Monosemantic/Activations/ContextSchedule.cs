using System.Collections.Immutable;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>
/// Which contexts a model reads, in which order and in which groups: those of training documents, then those of held-out ones. No
/// context holds documents of both, so that what a held-out document shows at inference depends on no training document.
/// </summary>
internal sealed class ContextSchedule
{
    private readonly SplitSchedule training, heldOut;

    /// <summary>Goes through the whole corpus once, counting.</summary>
    /// <exception cref="UserErrorException">The settings insert a token that the tokenizer does not have, or no token becomes a row.</exception>
    public ContextSchedule(ExtractionConfig config, TokenizedCorpus corpus, CancellationToken cancellation = default)
    {
        if (config.InsertsTokens && corpus.BosToken is null)
        {
            throw new UserErrorException($"the tokenizer has no {TokenizerFile.EndOfText} token to insert between documents", "use --bos never with --separator none or --one-document-per-context");
        }
        int[] order = [.. Enumerable.Range(0, corpus.Documents.Count)];
        if (config.ShuffleDocuments) new SeededRandom(config.Seed).Shuffle<int>(order);
        training = new SplitSchedule(config, corpus, [.. order.Where(document => !config.Split.IsHeldOut(document))], cancellation);
        heldOut = new SplitSchedule(config, corpus, [.. order.Where(config.Split.IsHeldOut)], cancellation);
        long candidates = training.Candidates + heldOut.Candidates;
        if (candidates == 0) throw new UserErrorException("no token of the text becomes a row", "check positions, exclude_special and the text");
        bool all = config.Rows == 0 || config.Rows >= candidates;
        heldOut.RowLimit = all ? heldOut.Candidates : (long)Math.Round((decimal)config.Rows * heldOut.Candidates / candidates);
        training.RowLimit = all ? training.Candidates : config.Rows - heldOut.RowLimit;
    }

    /// <summary>Rows in all, as long as no outlier is left out.</summary>
    public long Rows => training.RowLimit + heldOut.RowLimit;

    /// <summary>Most rows that one group gives.</summary>
    public int LargestGroup => Math.Max(training.LargestGroup, heldOut.LargestGroup);

    /// <summary>The part of the contexts that belongs to one split.</summary>
    public SplitSchedule this[StoreSplit split] => split switch
    {
        StoreSplit.Training => training,
        StoreSplit.HeldOut => heldOut,
        _ => throw new ArgumentOutOfRangeException(nameof(split)),
    };
}

/// <summary>The groups of contexts of one split's documents. Any group can be made again by itself: 20 bytes a group are kept.</summary>
internal sealed class SplitSchedule
{
    private readonly TokenizedCorpus corpus;
    private readonly ContextPolicy policy;
    private readonly RowPolicy rows;
    private readonly int[] order;
    private readonly int tokensAtOnce;
    private readonly List<(int Place, ContextStart Start)> starts = [];
    private readonly List<long> firstRows = [0];

    public SplitSchedule(ExtractionConfig config, TokenizedCorpus corpus, int[] order, CancellationToken cancellation)
    {
        this.corpus = corpus;
        this.order = order;
        policy = config.ContextPolicy;
        rows = new RowPolicy(config.TokenPolicy, corpus.SpecialTokens);
        tokensAtOnce = config.ContextsAtOnce * config.Context;
        int place = 0;
        foreach (ImmutableArray<TokenContext> group in GroupsFrom(0, default))
        {
            cancellation.ThrowIfCancellationRequested();
            while (order[place] != group[0].Documents[0]) place++;
            starts.Add((place, ContextStart.Of(group[0])));
            int count = group.Sum(rows.Count);
            firstRows.Add(firstRows[^1] + count);
            LargestGroup = Math.Max(LargestGroup, count);
            Tokens += group.Sum(context => (long)context.Length);
        }
        RowLimit = Candidates;
    }

    /// <summary>Number of groups.</summary>
    public int Groups => starts.Count;

    /// <summary>Rows that the groups give, outliers included.</summary>
    public long Candidates => firstRows[^1];

    /// <summary>Rows after which reading stops.</summary>
    public long RowLimit { get; set; }

    /// <summary>Tokens that the model reads, inserted ones included.</summary>
    public long Tokens { get; }

    /// <summary>Most rows that one group gives.</summary>
    public int LargestGroup { get; }

    /// <summary>Number of the first row that a group gives, outliers counted.</summary>
    public long FirstRow(int group) => firstRows[group];

    /// <summary>The group that gives a row, outliers counted.</summary>
    public int GroupOf(long row)
    {
        int found = firstRows.BinarySearch(row);
        if (found < 0) return ~found - 1;
        // A group without a row begins with the same row as the next one.
        while (found + 1 < firstRows.Count && firstRows[found + 1] == row) found++;
        return found;
    }

    /// <summary>One group.</summary>
    public KeptRows At(int group) => From(group).First();

    /// <summary>A group and those after it.</summary>
    public IEnumerable<KeptRows> From(int group) =>
        group >= Groups ? [] : GroupsFrom(starts[group].Place, starts[group].Start).Select(contexts => new KeptRows(contexts, rows));

    private IEnumerable<ImmutableArray<TokenContext>> GroupsFrom(int place, ContextStart start)
    {
        IEnumerable<TokenizedDocument> documents = Enumerable.Range(place, order.Length - place).Select(at => corpus.Documents[order[at]]);
        return Group(ContextPacker.Pack(documents, policy, corpus.BosToken ?? 0, start));
    }

    // As many contexts as make a rectangle of at most so many tokens, the short ones filled up.
    private IEnumerable<ImmutableArray<TokenContext>> Group(IEnumerable<TokenContext> contexts)
    {
        var group = ImmutableArray.CreateBuilder<TokenContext>();
        int longest = 0;
        foreach (TokenContext context in contexts)
        {
            int length = Math.Max(longest, context.Length);
            if (group.Count > 0 && (group.Count + 1) * length > tokensAtOnce)
            {
                yield return group.DrainToImmutable();
                length = context.Length;
            }
            group.Add(context);
            longest = length;
        }
        if (group.Count > 0) yield return group.DrainToImmutable();
    }
}

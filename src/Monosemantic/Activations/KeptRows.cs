using System.Collections.Immutable;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>Contexts that go through a model together, and the rows that they give.</summary>
internal sealed class KeptRows
{
    private readonly List<int> sources = [];

    /// <summary>Chooses the rows.</summary>
    /// <param name="contexts">The contexts [b].</param>
    /// <param name="policy">Which of their tokens become rows.</param>
    public KeptRows(ImmutableArray<TokenContext> contexts, RowPolicy policy)
    {
        Contexts = contexts;
        int length = contexts.Max(context => context.Length);
        List<int> documents = [], positions = [], tokens = [];
        for (int i = 0; i < contexts.Length; i++)
        {
            TokenContext context = contexts[i];
            for (int at = 0; at < context.Length; at++)
            {
                if (!policy.Keeps(context, at)) continue;
                sources.Add((i * length) + at);
                documents.Add(context.Documents[at]);
                positions.Add(context.Positions[at]);
                tokens.Add(context.Tokens[at]);
            }
        }
        (Documents, Positions, Tokens) = ([.. documents], [.. positions], [.. tokens]);
    }

    /// <summary>The contexts [b].</summary>
    public ImmutableArray<TokenContext> Contexts { get; }

    /// <summary>Index of each row's document [n].</summary>
    public int[] Documents { get; }

    /// <summary>Index of each row's token in its document [n].</summary>
    public int[] Positions { get; }

    /// <summary>Each row's token id [n].</summary>
    public int[] Tokens { get; }

    /// <summary>Number of rows n.</summary>
    public int Count => sources.Count;

    /// <summary>Picks the rows out of the activations of every token.</summary>
    /// <param name="values">[b * t, width].</param>
    /// <param name="width">Numbers in a row.</param>
    /// <param name="rows">Where they go [n, width].</param>
    public void Pick(ReadOnlySpan<float> values, int width, Span<float> rows)
    {
        for (int first = 0, end; first < Count; first = end)
        {
            end = first + 1;
            while (end < Count && sources[end] == sources[end - 1] + 1) end++;
            values.Slice(sources[first] * width, (end - first) * width).CopyTo(rows[(first * width)..]);
        }
    }
}

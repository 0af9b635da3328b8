using System.Collections.Immutable;
using Monosemantic.Text;

namespace Monosemantic.Activations;

/// <summary>Which tokens of a group of contexts become rows, and where they come from.</summary>
internal sealed class KeptRows
{
    private readonly List<int> sources = [], documents = [], positions = [], tokens = [];

    /// <summary>Chooses the rows.</summary>
    /// <param name="contexts">Contexts of equal length [b].</param>
    /// <param name="excludeInserted">Whether inserted tokens get no row.</param>
    /// <param name="limit">Most rows to keep.</param>
    public KeptRows(ImmutableArray<TokenContext> contexts, bool excludeInserted, long limit)
    {
        int length = contexts[0].Length;
        for (int i = 0; i < contexts.Length * length && sources.Count < limit; i++)
        {
            TokenContext context = contexts[i / length];
            int at = i % length;
            if (excludeInserted && context.Positions[at] < 0) continue;
            sources.Add(i);
            documents.Add(context.Documents[at]);
            positions.Add(context.Positions[at]);
            tokens.Add(context.Tokens[at]);
        }
    }

    /// <summary>Number of rows.</summary>
    public int Count => sources.Count;

    /// <summary>Adds the rows to a store.</summary>
    /// <param name="writer">The store.</param>
    /// <param name="values">Activations of every token, kept or not [b * t, width].</param>
    /// <param name="skip">Number of leading rows that the store has already.</param>
    public void AddTo(ActivationWriter writer, ReadOnlySpan<float> values, int skip)
    {
        ReadOnlySpan<int> documentsOf = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(documents);
        ReadOnlySpan<int> positionsOf = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(positions);
        ReadOnlySpan<int> tokensOf = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens);
        int width = writer.Plan.DModel;
        for (int first = skip, end; first < Count; first = end)
        {
            end = first + 1;
            while (end < Count && sources[end] == sources[end - 1] + 1) end++;
            int count = end - first;
            writer.Add(values.Slice(sources[first] * width, count * width), documentsOf.Slice(first, count), positionsOf.Slice(first, count), tokensOf.Slice(first, count));
        }
    }
}

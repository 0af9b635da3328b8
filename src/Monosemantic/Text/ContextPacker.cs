using System.Collections.Immutable;
using Monosemantic.Runtime;

namespace Monosemantic.Text;

/// <summary>Cuts tokenized documents into contexts, as a stream: one context is held at a time.</summary>
public static class ContextPacker
{
    /// <summary>
    /// The contexts of a corpus, in order. A document that does not fit continues in the next context. Where contexts are packed,
    /// what the policy says stands between two documents of a context; a document that begins a context needs none but the token
    /// that the policy puts there. The last context of a corpus (or of a document, where not packed) may be shorter; nothing is
    /// padded, and a context of fewer than 2 tokens is dropped, since nothing can be predicted in it. Empty documents leave no trace.
    /// </summary>
    /// <param name="documents">The documents, in corpus order.</param>
    /// <param name="policy">How to cut.</param>
    /// <param name="bosToken">The token to insert, at a beginning and as the separator.</param>
    /// <param name="start">Where in the first document to begin; by default at its beginning.</param>
    /// <exception cref="UserErrorException">The context length is below 2, or the token is negative.</exception>
    public static IEnumerable<TokenContext> Pack(IEnumerable<TokenizedDocument> documents, ContextPolicy policy, int bosToken, ContextStart start = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentNullException.ThrowIfNull(policy);
        if (policy.Context < 2)
        {
            throw new UserErrorException(
                $"context is {policy.Context} tokens; it must be at least 2",
                "a model predicts each token from the ones before it; 64 to 1024 is usual");
        }
        if (bosToken < 0)
        {
            throw new UserErrorException(
                $"the beginning-of-sequence token is {bosToken}; ids are not negative",
                "use the tokenizer's own, often its end-of-text token");
        }
        return Cut(documents, policy, bosToken, start);
    }

    /// <summary>Groups contexts that follow each other and are equally long, so that a group is a rectangle of tokens.</summary>
    /// <param name="contexts">The contexts.</param>
    /// <param name="batch">Most contexts in one group; at least 1.</param>
    /// <exception cref="UserErrorException">The group size is below 1.</exception>
    public static IEnumerable<ImmutableArray<TokenContext>> Batches(IEnumerable<TokenContext> contexts, int batch)
    {
        ArgumentNullException.ThrowIfNull(contexts);
        if (batch < 1) throw new UserErrorException($"batch is {batch} contexts; it must be at least 1", "8 to 64 is usual");
        return Group(contexts, batch);
    }

    private static IEnumerable<TokenContext> Cut(IEnumerable<TokenizedDocument> documents, ContextPolicy policy, int bosToken, ContextStart start)
    {
        var open = new OpenContext(policy, bosToken);
        foreach (TokenizedDocument document in documents.Where(document => document.Tokens.Length > 0))
        {
            if (start.Position == 0 && !start.Begun) open.Begin(document);
            int position = start.Position;
            start = default;
            while (position < document.Tokens.Length)
            {
                if (open.IsFull && open.Close() is { } full) yield return full;
                position = open.Take(document, position);
            }
            if ((open.IsFull || !policy.Pack) && open.Close() is { } finished) yield return finished;
        }
        if (open.Close() is { } last) yield return last;
    }

    private static IEnumerable<ImmutableArray<TokenContext>> Group(IEnumerable<TokenContext> contexts, int batch)
    {
        var group = ImmutableArray.CreateBuilder<TokenContext>();
        foreach (TokenContext context in contexts)
        {
            if (group.Count == batch || (group.Count > 0 && group[0].Length != context.Length)) yield return group.DrainToImmutable();
            group.Add(context);
        }
        if (group.Count > 0) yield return group.DrainToImmutable();
    }

    /// <summary>The context that is being filled.</summary>
    private sealed class OpenContext(ContextPolicy policy, int bosToken)
    {
        private readonly int[] tokens = new int[policy.Context];
        private readonly int[] documents = new int[policy.Context];
        private readonly int[] positions = new int[policy.Context];
        private int count;

        public bool IsFull => count == tokens.Length;

        /// <summary>Puts in what the policy wants before a document; the context must not be full.</summary>
        public void Begin(TokenizedDocument document)
        {
            // Where contexts begin with the token anyway, a document that begins one needs no separator.
            if (policy.Bos == BosPolicy.Document || (count > 0 && policy.Separator == SeparatorPolicy.Token)) Add(bosToken, document.Index, -1);
        }

        /// <summary>Adds what fits of a document, from a position on; returns the position to go on with.</summary>
        public int Take(TokenizedDocument document, int position)
        {
            if (policy.Bos == BosPolicy.Always && count == 0) Add(bosToken, document.Index, -1);
            while (!IsFull && position < document.Tokens.Length) Add(document.Tokens[position], document.Index, position++);
            return position;
        }

        public TokenContext? Close()
        {
            var context = count < 2 ? null : new TokenContext(tokens[..count], documents[..count], positions[..count]);
            count = 0;
            return context;
        }

        private void Add(int token, int document, int position)
        {
            (tokens[count], documents[count], positions[count]) = (token, document, position);
            count++;
        }
    }
}

using System.Collections.Immutable;

namespace Monosemantic.Activations;

/// <summary>One row of a store, to be looked at.</summary>
/// <param name="Document">Index of its document.</param>
/// <param name="Position">Index of its token in the document; -1 for an inserted token.</param>
/// <param name="Token">Its token id; -1 where it is not known.</param>
/// <param name="Text">What the token reads like; null where it is not known.</param>
/// <param name="Norm">Its Euclidean norm.</param>
/// <param name="Values">The row [d_model].</param>
public sealed record SampledRow(int Document, int Position, int Token, string? Text, double Norm, ImmutableArray<float> Values)
{
    /// <summary>Some rows of a store, drawn at random.</summary>
    /// <param name="store">The store.</param>
    /// <param name="rows">How many; at most as many as there are.</param>
    /// <param name="seed">Seed of the draw.</param>
    public static IReadOnlyList<SampledRow> Draw(ActivationStore store, int rows, long seed)
    {
        ArgumentNullException.ThrowIfNull(store);
        const int mixed = 1 << 14;
        var drawn = new List<SampledRow>();
        foreach (ActivationBatch batch in store.Shuffled(Math.Clamp(rows, 1, 1024), mixed, seed, epochs: 1))
        {
            for (int row = 0; row < batch.Rows && drawn.Count < rows; row++) drawn.Add(Of(store, batch, row));
            if (drawn.Count >= rows) break;
        }
        return drawn;
    }

    private static SampledRow Of(ActivationStore store, ActivationBatch batch, int row)
    {
        int token = batch.Tokens[row];
        ImmutableArray<string> texts = store.TokenTexts;
        ReadOnlySpan<float> values = batch.Row(row);
        double square = 0;
        foreach (float value in values) square += (double)value * value;
        return new(batch.Documents[row], batch.Positions[row], token, token >= 0 && token < texts.Length ? texts[token] : null, Math.Sqrt(square), [.. values]);
    }
}

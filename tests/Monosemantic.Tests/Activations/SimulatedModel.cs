using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Activations;

/// <summary>A cheap model: what it shows of a token depends on the hook, the token and its position alone.</summary>
internal static class SimulatedModel
{
    public const int Width = 3;

    public static ActivationSource Source(int vocabulary, params string[] hooks) => new(new("simulated", "00"), [.. hooks.Select(hook => new HookedWidth(hook, Width))], 16, vocabulary, (contexts, receive) =>
    {
        int length = contexts.Max(context => context.Length);
        for (int hook = 0; hook < hooks.Length; hook++)
        {
            // What stands behind the end of a shorter context must never become a row.
            float[] values = new float[contexts.Length * length * Width];
            Array.Fill(values, float.NaN);
            for (int i = 0; i < contexts.Length; i++)
            {
                for (int t = 0; t < contexts[i].Length; t++) RowOf(hook, contexts[i].Tokens[t], contexts[i].Positions[t]).CopyTo(values.AsSpan(((i * length) + t) * Width));
            }
            receive(hook, values);
        }
    });

    public static float[] RowOf(int hook, int token, int position) => [token + hook, MathF.Sqrt(position + 2), (token * 0.1f) - position];

    /// <summary>Documents of random tokens, one in ten of them empty.</summary>
    public static TokenizedCorpus Corpus(int documents, int vocabulary, int longest = 26, long seed = 3)
    {
        var random = new SeededRandom(seed);
        TokenizedDocument[] all = [.. Enumerable.Range(0, documents).Select(index => new TokenizedDocument(index, [.. Enumerable.Range(0, random.Next(10) == 0 ? 0 : 1 + random.Next(longest)).Select(_ => 1 + random.Next(vocabulary - 1))]))];
        return new(TokenizedDocuments.Of(all), new CorpusIdentity("texts", null, "22", documents, 1234), "11", 0);
    }
}

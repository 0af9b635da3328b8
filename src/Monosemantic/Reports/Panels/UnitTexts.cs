using System.Collections.Immutable;

namespace Monosemantic.Reports.Panels;

/// <summary>
/// The tokens of units and of their strongest contexts as numbers, which the page's script searches: for each unit how many tokens
/// fire it and which, how many contexts it has, and for each of those its length and its tokens. Seven bits of a number to a byte,
/// lowest first; the eighth bit says that more follow (LEB128).
/// </summary>
internal static class UnitTexts
{
    /// <summary>The tokens of pages.</summary>
    /// <param name="pages">The pages.</param>
    internal static byte[] Of(UnitPage[] pages)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        foreach (UnitPage page in pages)
        {
            Run(page.Tokens.Token);
            writer.Write7BitEncodedInt(page.Contexts.Length);
            foreach (ContextLine context in page.Contexts) Run(context.Tokens);
        }
        return bytes.ToArray();

        void Run(ImmutableArray<int> tokens)
        {
            writer.Write7BitEncodedInt(tokens.Length);
            foreach (int token in tokens) writer.Write7BitEncodedInt(token);
        }
    }

    /// <summary>A page without the tokens that <see cref="Of"/> holds.</summary>
    /// <param name="page">The page.</param>
    internal static UnitPage Without(UnitPage page) => page with
    {
        Tokens = page.Tokens with { Token = [] },
        Contexts = [.. page.Contexts.Select(context => context with { Tokens = [] })],
    };
}

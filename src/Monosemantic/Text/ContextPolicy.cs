namespace Monosemantic.Text;

/// <summary>Where beginning-of-sequence tokens are put in.</summary>
public enum BosPolicy
{
    /// <summary>Every context starts with one.</summary>
    Always,

    /// <summary>No context starts with one; packed documents are still separated by one.</summary>
    Never,

    /// <summary>Every document starts with one, wherever in a context that is.</summary>
    Document,
}

/// <summary>What stands between two documents of one context.</summary>
public enum SeparatorPolicy
{
    /// <summary>One beginning-of-sequence token.</summary>
    Token,

    /// <summary>Nothing, but for what <see cref="BosPolicy.Document"/> puts there.</summary>
    None,
}

/// <summary>How documents are cut into the contexts that a model reads.</summary>
public sealed record ContextPolicy
{
    /// <summary>Most tokens in one context, inserted ones included; at least 2.</summary>
    public int Context { get; init; } = 128;

    /// <summary>Where beginning-of-sequence tokens are put in.</summary>
    public BosPolicy Bos { get; init; } = BosPolicy.Always;

    /// <summary>Whether documents follow each other in one context (true), or every context holds one document only (false).</summary>
    public bool Pack { get; init; } = true;

    /// <summary>What stands between two documents of one context, where they are packed.</summary>
    public SeparatorPolicy Separator { get; init; }
}

/// <summary>Where in the first document packing begins, to go on in the middle of a corpus.</summary>
/// <param name="Position">Index of the first token that was not in an earlier context.</param>
/// <param name="Begun">Whether what the policy puts before that document stands in an earlier context already.</param>
public readonly record struct ContextStart(int Position, bool Begun)
{
    /// <summary>Where packing has to begin to give this context and those after it; its document comes first then.</summary>
    /// <param name="context">A context that packing gave.</param>
    public static ContextStart Of(TokenContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return new(context.Positions.First(position => position >= 0), context.Positions[0] >= 0);
    }
}

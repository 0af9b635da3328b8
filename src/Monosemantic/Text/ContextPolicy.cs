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

/// <summary>How documents are cut into the contexts that a model reads.</summary>
public sealed record ContextPolicy
{
    /// <summary>Most tokens in one context, inserted ones included; at least 2.</summary>
    public int Context { get; init; } = 128;

    /// <summary>Where beginning-of-sequence tokens are put in.</summary>
    public BosPolicy Bos { get; init; } = BosPolicy.Always;

    /// <summary>Whether documents follow each other in one context (true), or every context holds one document only (false).</summary>
    public bool Pack { get; init; } = true;
}

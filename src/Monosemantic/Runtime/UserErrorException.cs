namespace Monosemantic.Runtime;

/// <summary>
/// The one exception for what the user can put right: a wrong value, a missing file, a folder in use.
/// The command line prints it as <c>error:</c> and <c>hint:</c> and exits with 1; any other exception is a bug.
/// </summary>
public sealed class UserErrorException : Exception
{
    /// <summary>Makes an error from what was wrong and where, and what to do next.</summary>
    /// <param name="message">What was wrong (the value), where (file and key) and what is allowed.</param>
    /// <param name="hint">What to do next, one sentence.</param>
    /// <param name="inner">The exception behind it, if any.</param>
    public UserErrorException(string message, string hint, Exception? inner = null)
        : base(message, inner) => Hint = hint;

    /// <summary>What to do next, one sentence.</summary>
    public string Hint { get; }
}

namespace Monosemantic.Runtime;

/// <summary>How far a long piece of work has come; plain numbers for a progress bar or a log line.</summary>
/// <param name="Stage">What is being done, such as <c>extract</c>.</param>
/// <param name="Done">Units finished so far, counted from 0.</param>
/// <param name="Total">Units in all, or 0 where it is not known beforehand.</param>
/// <param name="Unit">What is counted, in the plural: <c>tokens</c>, <c>rows</c>, <c>steps</c>.</param>
/// <param name="Note">A few words to show beside the bar, such as the current loss; null for none.</param>
public sealed record ProgressReport(string Stage, long Done, long Total, string Unit, string? Note = null)
{
    private const string WarningStage = "warning";

    /// <summary>Whether this is a <see cref="Warning"/> and no progress.</summary>
    public bool IsWarning => Stage == WarningStage;

    /// <summary>Something odd that does not stop the work, to be shown even where progress is not.</summary>
    /// <param name="text">What is odd, where, and what it means.</param>
    public static ProgressReport Warning(string text) => new(WarningStage, 0, 0, "", text);
}

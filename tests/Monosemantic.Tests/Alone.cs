namespace Monosemantic.Tests;

/// <summary>
/// Tests that look at something the whole process shares, such as the number of live tensors or the thread count: they run by
/// themselves, after the others.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}

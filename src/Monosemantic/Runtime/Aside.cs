namespace Monosemantic.Runtime;

/// <summary>
/// What another thread computes while its owner goes on. Whoever leaves waits for it, since it may use what the owner is about
/// to free, and frees what came of it.
/// </summary>
/// <typeparam name="T">What is computed.</typeparam>
internal sealed class Aside<T> : IDisposable
{
    private readonly Task<T> task;

    // A thread of its own: it may wait long, and must not hold up what the shared ones are asked to do.
    internal Aside(Func<T> work) => task = Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>The result, waited for.</summary>
    /// <exception cref="Exception">What the work threw.</exception>
    internal T Result => task.GetAwaiter().GetResult();

    /// <summary>Waits; what the work threw is not thrown here.</summary>
    public void Dispose()
    {
        ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
        if (task.IsCompletedSuccessfully) (task.Result as IDisposable)?.Dispose();
    }
}

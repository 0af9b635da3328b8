using System.Runtime.ExceptionServices;

namespace Monosemantic.Activations;

/// <summary>
/// A batch on its way into a buffer. Threads of the pool work at it in the background; a reader that has to wait for it works at it
/// too, so that nobody sleeps while there is something to copy. What goes wrong reaches the reader.
/// </summary>
/// <param name="buffer">Where the rows go.</param>
/// <param name="plan">Decides which rows go there; null where there are no more. Called once.</param>
internal sealed class BatchFill(BatchBuffer buffer, Func<ActivationBatch?> plan) : IThreadPoolWorkItem
{
    private readonly Lock gate = new();
    private ExceptionDispatchInfo? failure;
    private ActivationBatch? batch;
    private bool isPlanned;
    private int shares, claimed, done;

    /// <summary>Begins in the background.</summary>
    public static BatchFill Start(BatchBuffer buffer, Func<ActivationBatch?> plan)
    {
        var fill = new BatchFill(buffer, plan);
        int helpers = Math.Max(1, ParallelRows.Threads - 1);
        for (int i = 0; i < helpers; i++) ThreadPool.UnsafeQueueUserWorkItem(fill, preferLocal: false);
        return fill;
    }

    /// <summary>The batch, when it is whole; null where there are no more rows.</summary>
    public ActivationBatch? Wait()
    {
        Execute();
        Settle(shares);
        failure?.Throw();
        return batch;
    }

    /// <summary>Ends the work; returns when nobody is at it any more.</summary>
    public void Abandon()
    {
        lock (gate) isPlanned = true;
        Settle(Math.Min(shares, Interlocked.Exchange(ref claimed, int.MaxValue / 2)));
    }

    /// <summary>Does what is left to do.</summary>
    public void Execute()
    {
        lock (gate)
        {
            if (!isPlanned) Guard(() => (batch, shares) = (plan(), buffer.Shares));
            isPlanned = true;
        }
        for (int share; (share = Interlocked.Increment(ref claimed) - 1) < shares;)
        {
            Guard(() => buffer.Copy(share));
            Interlocked.Increment(ref done);
        }
    }

    // At most the time of one share.
    private void Settle(int copied)
    {
        var spin = new SpinWait();
        while (Volatile.Read(ref done) < copied) spin.SpinOnce(sleep1Threshold: -1);
    }

    private void Guard(Action action)
    {
        try
        {
            action();
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref this.failure, ExceptionDispatchInfo.Capture(failure), null);
        }
    }
}

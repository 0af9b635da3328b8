using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Activations;

/// <summary>Several stores as one, against their rows.</summary>
public sealed class StoreMergeTests : IDisposable
{
    private readonly SampleStore first = new(), second = new();

    public void Dispose()
    {
        first.Dispose();
        second.Dispose();
    }

    private string Output => Path.Combine(first.Folder, "both");

    [Fact]
    public void Rows_keep_their_values_origins_and_split_and_documents_are_numbered_through()
    {
        first.Write(SampleStore.Plan(dtype: StoreDtype.Int8), 457);
        second.Write(SampleStore.Plan(dtype: StoreDtype.Int8, rowsPerShard: 64) with { Corpus = new CorpusIdentity("other", null, "33", SampleStore.Documents, 10) }, 300);
        StoreManifest both = Merge([first.Path, second.Path], Output);
        Assert.Empty(ActivationStore.Verify(Output, cancellation: TestContext.Current.CancellationToken));
        Assert.Equal((757, 2 * SampleStore.Documents, "texts + other"), ((int)both.Rows, both.Plan.Corpus.Documents, both.Plan.Corpus.Source));
        foreach (StoreSplit split in new[] { StoreSplit.Training, StoreSplit.HeldOut })
        {
            (int, int, int, string)[] expected = [.. Rows(first.Path, split, 0), .. Rows(second.Path, split, SampleStore.Documents)];
            Assert.Equal(expected, Rows(Output, split, 0));
        }
        using ActivationStore store = ActivationStore.Open(Output);
        Assert.Equal(2, store.Plan.Merged!.Value.Length);
    }

    [Fact]
    public void Stores_of_the_same_text_keep_their_document_numbers()
    {
        first.Write(SampleStore.Plan(), 200);
        second.Write(SampleStore.Plan() with { Sampling = SampleStore.Plan().Sampling with { Seed = 1 } }, 100);
        StoreManifest both = Merge([first.Path, second.Path], Output);
        Assert.Equal((300, SampleStore.Documents, "22"), ((int)both.Rows, both.Plan.Corpus.Documents, both.Plan.Corpus.Sha256));
    }

    [Fact]
    public void A_merge_that_was_stopped_resumes_to_the_same_bytes()
    {
        first.Write(SampleStore.Plan(), 457);
        second.Write(SampleStore.Plan(), 457);
        Merge([first.Path, second.Path], Output);
        using var stop = new CancellationTokenSource();
        string again = Output + "2";
        Assert.Throws<OperationCanceledException>(() => Merge([first.Path, second.Path], again, progress: new StopAt(stop, 420), cancellation: stop.Token));
        Assert.Throws<UserErrorException>(() => Merge([first.Path, second.Path], again));
        Merge([first.Path, second.Path], again, resume: true);
        Assert.Equal(SampleStore.Hashes(Output), SampleStore.Hashes(again));
        Assert.Equal(914, Merge([first.Path, second.Path], again, resume: true).Rows);
    }

    [Fact]
    public void Stores_that_do_not_belong_together_are_refused()
    {
        first.Write(SampleStore.Plan(), 100);
        second.Write(SampleStore.Plan(dtype: StoreDtype.F16) with { HookPoint = "blocks.0.hook_resid_post" }, 100);
        string message = Assert.Throws<UserErrorException>(() => Merge([first.Path, second.Path], Output)).Message;
        Assert.Contains("hook_point (\"blocks.1.hook_resid_post\" against \"blocks.0.hook_resid_post\")", message, StringComparison.Ordinal);
        Assert.Contains("dtype", message, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => Merge([first.Path], Output));
        Assert.Throws<UserErrorException>(() => Merge([first.Path, Output], Output));
        Assert.False(Directory.Exists(Output));
    }

    private static StoreManifest Merge(string[] folders, string output, bool resume = false, IProgress<ProgressReport>? progress = null, CancellationToken? cancellation = null) =>
        StoreMerge.Merge(folders, output, resume, progress, cancellation ?? TestContext.Current.CancellationToken);

    private static (int Document, int Position, int Token, string Values)[] Rows(string folder, StoreSplit split, int firstDocument)
    {
        using ActivationStore store = ActivationStore.Open(folder);
        return [.. store.Read(50, split).SelectMany(batch => Enumerable.Range(0, batch.Rows).Select(i => (batch.Documents[i] + firstDocument, batch.Positions[i], batch.Tokens[i], string.Join(' ', batch.Row(i).ToArray()))).ToArray())];
    }

    private sealed class StopAt(CancellationTokenSource stop, long rows) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            if (value.Done >= rows) stop.Cancel();
        }
    }
}

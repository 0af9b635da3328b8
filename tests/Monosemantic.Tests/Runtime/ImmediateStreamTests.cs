using Monosemantic.Runtime;

namespace Monosemantic.Tests.Runtime;

public sealed class ImmediateStreamTests
{
    [Fact]
    public async Task Asynchronous_calls_are_done_when_they_return()
    {
        using var inner = new SlowStream();
        await using var stream = new ImmediateStream(inner);
        ValueTask first = stream.WriteAsync(new byte[] { 1, 2 }, TestContext.Current.CancellationToken);
        Task second = stream.WriteAsync([3, 4, 5], 1, 2, TestContext.Current.CancellationToken), last = stream.FlushAsync(TestContext.Current.CancellationToken);
        Assert.True(first.IsCompletedSuccessfully && second.IsCompletedSuccessfully && last.IsCompletedSuccessfully);
        Assert.Equal([1, 2, 4, 5], inner.ToArray());
        await Task.WhenAll(first.AsTask(), second, last);
    }

    [Fact]
    public void It_writes_where_it_is_told_to_and_does_not_read()
    {
        using var inner = new MemoryStream();
        using var stream = new ImmediateStream(inner);
        stream.Write([1, 2, 3]);
        stream.Position = 1;
        stream.Write([9], 0, 1);
        Assert.Equal(0, stream.Seek(0, SeekOrigin.Begin));
        stream.WriteByte(8);
        Assert.Equal((3, 1), (stream.Length, stream.Position));
        stream.SetLength(2);
        Assert.Equal([8, 9], inner.ToArray());
        Assert.False(stream.CanRead);
        Assert.Throws<NotSupportedException>(() => stream.Read(new byte[1], 0, 1));
    }

    // Its own asynchronous calls never end.
    private sealed class SlowStream : MemoryStream
    {
        public override Task FlushAsync(CancellationToken cancellationToken) => new TaskCompletionSource().Task;

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => new TaskCompletionSource().Task;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => new(new TaskCompletionSource().Task);
    }
}

using Monosemantic.Runtime;

namespace Monosemantic.Tests.Runtime;

public sealed class AsideTests
{
    [Fact]
    public void It_runs_on_another_thread_and_gives_what_came_of_it()
    {
        using var aside = new Aside<int>(() => Environment.CurrentManagedThreadId);
        Assert.NotEqual(Environment.CurrentManagedThreadId, aside.Result);
    }

    [Fact]
    public void What_it_throws_comes_as_it_is_where_the_result_is_asked_for_and_not_on_leaving()
    {
        var aside = new Aside<int>(() => throw new UserErrorException("no", "yes"));
        Assert.Equal("no", Assert.Throws<UserErrorException>(() => aside.Result).Message);
        aside.Dispose();
    }

    [Fact]
    public void Whoever_leaves_waits_and_frees_what_came_of_it()
    {
        using var go = new ManualResetEventSlim();
        var found = new Freed();
        var aside = new Aside<Freed>(() =>
        {
            go.Wait(TestContext.Current.CancellationToken);
            return found;
        });
        var leaving = new Aside<bool>(() =>
        {
            aside.Dispose();
            return found.Times == 1;
        });
        Assert.Equal(0, found.Times);
        go.Set();
        Assert.True(leaving.Result);
    }

    private sealed class Freed : IDisposable
    {
        internal int Times { get; private set; }

        public void Dispose() => Times++;
    }
}

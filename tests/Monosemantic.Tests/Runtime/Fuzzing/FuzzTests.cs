using System.Diagnostics;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Runtime.Fuzzing;

/// <summary>
/// Damaged files, some hundred thousand of them, the same ones on every run: each is refused with a user's error or read in a
/// consistent way, within a second and within memory bounded by its size. Set MONOSEMANTIC_FUZZ_CASES for more of each kind
/// and MONOSEMANTIC_FUZZ_SEED for other ones.
/// </summary>
public sealed class FuzzTests(ITestOutputHelper output) : IDisposable
{
    private const long AllocationSlack = 4 << 20;

    // In memory where there is such a place: most of the time would go into writing small files.
    private readonly string folder = Directory.CreateDirectory(Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"monosemantic-fuzz-{Guid.NewGuid():N}")).FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static TheoryData<string> Targets => [.. FuzzTarget.Names];

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_damaged_file_is_refused_or_read_in_a_consistent_way(string target) => Run(target, 500, seed: 1);

    [Theory]
    [MemberData(nameof(Targets))]
    [Trait("kind", "slow")]
    public void Many_damaged_files_are_refused_or_read_in_a_consistent_way(string target) => Run(target, Setting("MONOSEMANTIC_FUZZ_CASES", 22_000), Setting("MONOSEMANTIC_FUZZ_SEED", 2));

    private void Run(string name, long cases, long seed)
    {
        FuzzTarget target = FuzzTarget.Of(name);
        // The sound files first: they must be read, and warm everything up that is allocated once.
        foreach (byte[] sound in target.Files) Assert.True(Check(target, sound, -1));
        foreach (byte[] hostile in target.Hostile) Assert.False(Check(target, hostile, -1));
        var mutator = new Mutator(seed, [.. target.Files, .. target.Hostile]);
        int read = 0;
        var clock = Stopwatch.StartNew();
        for (long i = 0; i < cases; i++)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            if (Check(target, mutator.Next(), i)) read++;
        }
        output.WriteLine($"{name}: {cases} cases in {clock.Elapsed.TotalSeconds:F1} s, {read} read, {cases - read} refused");
        Assert.InRange(read, 1, cases - 1);
    }

    private bool Check(FuzzTarget target, byte[] bytes, long number)
    {
        (bool read, long allocated, TimeSpan time, Exception? failure) = Try(target, bytes);
        // Another test or program may have had the core; a reader that hangs does so again.
        if (time > TimeSpan.FromSeconds(1)) time = Try(target, bytes).Time;
        string where = $"{target.Name}, case {number}: {Convert.ToBase64String(bytes)}";
        Assert.True(failure is null, $"{failure}\n{where}");
        Assert.True(time < TimeSpan.FromSeconds(1), $"{time.TotalSeconds:F1} s\n{where}");
        Assert.True(allocated <= 2 * bytes.Length + AllocationSlack, $"{allocated:N0} bytes allocated for a file of {bytes.Length:N0}\n{where}");
        return read;
    }

    private (bool Read, long Allocated, TimeSpan Time, Exception? Failure) Try(FuzzTarget target, byte[] bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        Exception? failure = null;
        bool read = false;
        try
        {
            target.Read(folder, bytes);
            read = true;
        }
        catch (UserErrorException refusal)
        {
            if (refusal.Message.Any(char.IsControl) || refusal.Hint.Length == 0 || refusal.Message.Length > 2000) failure = refusal;
        }
        catch (Exception other)
        {
            failure = other;
        }
        return (read, GC.GetAllocatedBytesForCurrentThread() - before, clock.Elapsed, failure);
    }

    private static long Setting(string variable, long otherwise) => long.TryParse(Environment.GetEnvironmentVariable(variable), out long given) ? given : otherwise;
}

using Monosemantic.Activations;
using Monosemantic.Runtime;

namespace Monosemantic.Tests.Activations;

public sealed class ActivationWriterTests : IDisposable
{
    private static readonly int Training = SampleStore.DocumentOf(0);
    private readonly SampleStore sample = new();

    public void Dispose() => sample.Dispose();

    [Theory]
    [InlineData(StoreDtype.F32)]
    [InlineData(StoreDtype.F16)]
    [InlineData(StoreDtype.BF16)]
    [InlineData(StoreDtype.Int8)]
    public void Statistics_are_those_of_a_plain_two_pass_computation(StoreDtype dtype)
    {
        const int rows = 457, dModel = 13;
        StoreManifest manifest = sample.Write(SampleStore.Plan(dModel, dtype), rows);
        double[] x = [.. SampleStore.Rounded(SampleStore.Values(rows, dModel), dModel, dtype).Select(value => (double)value)];
        int training = (int)(manifest.Rows - manifest.HeldOutRows);
        Assert.InRange(training, 100, rows - 100);
        AssertStatistics(x, dModel, manifest.Statistics);
        AssertStatistics(x[..(training * dModel)], dModel, manifest.TrainingStatistics!);
    }

    private static void AssertStatistics(double[] x, int dModel, StoreStatistics statistics)
    {
        int rows = x.Length / dModel;
        double[] norms = [.. Enumerable.Range(0, rows).Select(row => Math.Sqrt(x.AsSpan(row * dModel, dModel).ToArray().Sum(value => value * value)))];
        Assert.Equal(norms.Average(), statistics.MeanNorm, 1e-11 * norms.Average());
        Assert.Equal(norms.Average(norm => norm * norm), statistics.MeanSquaredNorm, 1e-11 * norms.Average(norm => norm * norm));
        for (int i = 0; i < dModel; i++)
        {
            double[] column = [.. Enumerable.Range(0, rows).Select(row => x[row * dModel + i])];
            double mean = column.Average();
            Assert.Equal(mean, statistics.Mean[i], 1e-12 * Math.Abs(mean));
            double variance = column.Average(value => (value - mean) * (value - mean));
            Assert.Equal(variance, statistics.Variance[i], 1e-11 * variance);
        }
    }

    [Fact]
    public void Shards_end_where_the_held_out_rows_begin()
    {
        StoreManifest manifest = sample.Write(SampleStore.Plan(), 457);
        Assert.Equal([false, false, false, false, true, true], manifest.Shards.Select(shard => shard.HeldOut));
        Assert.All(manifest.Shards, shard => Assert.Equal(shard.Rows, shard.Blocks.Sum()));
    }

    [Fact]
    public void A_training_row_behind_a_held_out_one_is_refused()
    {
        using ActivationWriter writer = ActivationWriter.Create(sample.Path, SampleStore.Plan(dModel: 1));
        int heldOut = SampleStore.DocumentOf(456), training = SampleStore.DocumentOf(0);
        Assert.Contains("held-out rows were added already", Assert.Throws<ArgumentException>(() => writer.Add([1, 2], [heldOut, training], [0, 0], [0, 0])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_do_not_depend_on_how_rows_are_handed_over()
    {
        sample.Write(SampleStore.Plan(), 457, chunk: 1);
        Dictionary<string, string> single = SampleStore.Hashes(sample.Path);
        Directory.Delete(sample.Path, recursive: true);
        sample.Write(SampleStore.Plan(), 457, chunk: 300);
        Assert.Equal(single, SampleStore.Hashes(sample.Path));
        Assert.Equal(2 + 3 * 6, single.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(99)]
    [InlineData(100)]
    [InlineData(350)]
    [InlineData(457)]
    public void A_store_that_was_interrupted_and_resumed_has_the_same_bytes(int interruptedAt)
    {
        sample.Write(SampleStore.Plan(), 457);
        Dictionary<string, string> whole = SampleStore.Hashes(sample.Path);
        Directory.Delete(sample.Path, recursive: true);

        using (ActivationWriter writer = ActivationWriter.Create(sample.Path, SampleStore.Plan())) SampleStore.Add(writer, 0, interruptedAt, 457);
        using (ActivationWriter writer = ActivationWriter.Resume(sample.Path, SampleStore.Plan()))
        {
            // Training rows end at 304, and a shard with them.
            Assert.Equal(interruptedAt > 304 ? 304 + ((interruptedAt - 304) / 100 * 100) : interruptedAt / 100 * 100, writer.Rows);
            SampleStore.Add(writer, (int)writer.Rows, 457, 457);
            writer.Complete();
        }
        Assert.Equal(whole, SampleStore.Hashes(sample.Path));
    }

    [Fact]
    public void Resuming_writes_a_damaged_shard_again()
    {
        sample.Write(SampleStore.Plan(), 457);
        Dictionary<string, string> whole = SampleStore.Hashes(sample.Path);
        File.Delete(Path.Combine(sample.Path, "manifest.json"));
        using (FileStream shard = File.OpenWrite(Path.Combine(sample.Path, "shard-00002.safetensors"))) shard.SetLength(shard.Length - 5);
        File.WriteAllText(Path.Combine(sample.Path, "shard-00003.safetensors.123.tmp"), "left by a killed process");
        using ActivationWriter writer = ActivationWriter.Resume(sample.Path, SampleStore.Plan());
        Assert.Equal(200, writer.Rows);
        SampleStore.Add(writer, 200, 457, 457);
        writer.Complete();
        Assert.Equal(whole, SampleStore.Hashes(sample.Path));
    }

    [Fact]
    public void A_second_writer_is_refused_while_the_first_one_lives()
    {
        ActivationWriter first = ActivationWriter.Create(sample.Path, SampleStore.Plan());
        UserErrorException error = Assert.Throws<UserErrorException>(() => ActivationWriter.Resume(sample.Path, SampleStore.Plan()));
        Assert.Contains("another process is writing", error.Message, StringComparison.Ordinal);
        first.Dispose();
        ActivationWriter.Resume(sample.Path, SampleStore.Plan()).Dispose();
        Assert.False(File.Exists(Path.Combine(sample.Path, ".lock")));
    }

    [Fact]
    public void Resuming_another_run_is_refused_and_names_what_differs()
    {
        ActivationWriter.Create(sample.Path, SampleStore.Plan()).Dispose();
        StorePlan other = SampleStore.Plan(dtype: StoreDtype.F16);
        UserErrorException error = Assert.Throws<UserErrorException>(() => ActivationWriter.Resume(sample.Path, other with { Model = new("toy", "99") }));
        Assert.Contains("""dtype ("f32" against "f16"); model.sha256 ("00" against "99")""", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("d_model", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_holds_something_is_refused()
    {
        Directory.CreateDirectory(sample.Path);
        File.WriteAllText(Path.Combine(sample.Path, "notes.txt"), "mine");
        Assert.Contains("not empty", Refused(resume: false), StringComparison.Ordinal);
        Assert.Contains("not empty", Refused(resume: true), StringComparison.Ordinal);
        Assert.Equal(["notes.txt"], SampleStore.Hashes(sample.Path).Keys);

        Directory.Delete(sample.Path, recursive: true);
        ActivationWriter.Create(sample.Path, SampleStore.Plan()).Dispose();
        Assert.Contains("unfinished", Refused(resume: false), StringComparison.Ordinal);

        Directory.Delete(sample.Path, recursive: true);
        sample.Write(SampleStore.Plan(), 10);
        Assert.Contains("finished activation store", Refused(resume: false), StringComparison.Ordinal);
        Assert.Contains("finished activation store", Refused(resume: true), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(StoreDtype.F32, float.NaN, "NaN, not a finite number")]
    [InlineData(StoreDtype.F32, float.PositiveInfinity, "not a finite number")]
    [InlineData(StoreDtype.F16, float.NaN, "NaN, not a finite number")]
    [InlineData(StoreDtype.BF16, float.NaN, "NaN, not a finite number")]
    [InlineData(StoreDtype.Int8, float.NegativeInfinity, "not a finite number")]
    [InlineData(StoreDtype.Int8, float.NaN, "not a finite number")]
    [InlineData(StoreDtype.F16, -70000f, "reaches -70000, and float16 ends at 65504")]
    public void A_value_that_cannot_be_kept_is_refused_with_its_place(StoreDtype dtype, float value, string expected)
    {
        using ActivationWriter writer = ActivationWriter.Create(sample.Path, SampleStore.Plan(dModel: 2, dtype));
        UserErrorException error = Assert.Throws<UserErrorException>(() => writer.Add([1, 2, 3, value], [Training, Training], [0, 1], [5, 6]));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains($"token 1 of document {Training}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_store_is_refused_and_stays_unfinished()
    {
        using (ActivationWriter writer = ActivationWriter.Create(sample.Path, SampleStore.Plan())) Assert.Throws<UserErrorException>(() => writer.Complete());
        Assert.Contains("unfinished", Assert.Throws<UserErrorException>(() => ActivationStore.Open(sample.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_plan_out_of_range_is_refused_with_every_problem()
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => ActivationWriter.Create(sample.Path, SampleStore.Plan(rowsPerShard: 0, heldOut: 1.5)));
        Assert.Contains("rows_per_shard is 0", error.Message, StringComparison.Ordinal);
        Assert.Contains("held_out_fraction is 1.5", error.Message, StringComparison.Ordinal);
    }

    private string Refused(bool resume) => Assert.Throws<UserErrorException>(() =>
        (resume ? ActivationWriter.Resume(sample.Path, SampleStore.Plan()) : ActivationWriter.Create(sample.Path, SampleStore.Plan())).Dispose()).Message;
}

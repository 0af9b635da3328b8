using DuckDB.NET.Data;
using Microsoft.Data.Analysis;
using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using Monosemantic.Text;
using TorchSharp;

namespace Monosemantic.Tests.Activations;

/// <summary>Activations that other tools made, against the tensors that they were made from.</summary>
public sealed class ActivationImportTests : IDisposable
{
    private const int Rows = 300, Width = 7;
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;
    private readonly torch.Tensor x = torch.arange(Rows * Width, torch.ScalarType.Float32).view(Rows, Width) / 4 - 200;
    private readonly torch.Tensor ids = torch.arange(Rows, torch.ScalarType.Int64) % 91;

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        x.Dispose();
        ids.Dispose();
    }

    [Theory]
    [InlineData(torch.ScalarType.Float32, StoreDtype.F32)]
    [InlineData(torch.ScalarType.Float64, StoreDtype.F32)]
    [InlineData(torch.ScalarType.Float16, StoreDtype.F16)]
    public void A_flat_array_becomes_rows_and_its_dtype_stays(torch.ScalarType type, StoreDtype expected)
    {
        NumpyWriter.WriteArray(In("x.npy"), x.to(type));
        NumpyWriter.WriteArray(In("t.npy"), ids.to(torch.ScalarType.Int32));
        StoreManifest manifest = Import(new ImportConfig { Files = [In("x.npy")], TokenIds = [In("t.npy")], DocumentRows = 50, HeldOutFraction = 0.4 });
        Assert.Equal((Rows, expected, 6, "imported", "unknown"), ((int)manifest.Rows, manifest.Plan.Dtype, manifest.Plan.Corpus.Documents, manifest.Plan.HookPoint, manifest.Plan.Model.Name));
        Assert.Equal(["x.npy"], manifest.Plan.Import!.Files);
        Assert.InRange(manifest.HeldOutRows, 50, 250);
        AssertRows(row => (row / 50, row % 50, row % 91), x.to(type));
    }

    [Fact]
    public void Documents_by_tokens_lose_their_padding_and_keep_their_heads()
    {
        using torch.Tensor z = torch.rand([5, 12, 2, 4], torch.ScalarType.Float32);
        using torch.Tensor mask = torch.tensor([.. Enumerable.Range(0, 60).Select(at => at % 12 < 3 + at / 12)]).view(5, 12);
        Write("z.safetensors", ("blocks.3.attn.hook_z", z.to(torch.ScalarType.BFloat16)), ("input_ids", torch.arange(60L).view(5, 12)), ("attention_mask", mask));
        StoreManifest manifest = Import(new ImportConfig { Files = [In("z.safetensors")], HeldOutFraction = 0 });
        Assert.Equal(("blocks.3.attn.hook_z", 8, StoreDtype.BF16, new HeadStructure(2, 4, null)), (manifest.Plan.HookPoint, manifest.Plan.DModel, manifest.Plan.Dtype, manifest.Plan.Heads));
        Assert.Equal(3 + 4 + 5 + 6 + 7, manifest.Rows);
        using ActivationStore store = ActivationStore.Open(In("store"));
        ActivationBatch all = store.Read(100).Single();
        Assert.Equal([0, 1, 2, 0, 1, 2, 3], all.Positions[..7]);
        Assert.Equal([0, 1, 2, 12, 13, 14, 15], all.Tokens[..7]);
        using torch.Tensor expected = z.to(torch.ScalarType.BFloat16).to(torch.ScalarType.Float32).view(60, 8).index_select(0, mask.view(-1).nonzero().squeeze(1));
        Assert.Equal(TensorMemory.Floats(expected).ToArray(), all.Span.ToArray());
    }

    [Fact]
    public void Archives_may_hold_ids_of_documents_rows_and_unsigned_tokens()
    {
        NumpyWriter.WriteArchive(In("a.npz"), [new("acts", x.view(10, 30, Width)), new("doc_ids", torch.arange(10L) * 3), new("pos", torch.arange(300L) % 30 + 5)], compress: true);
        Write("t.safetensors", ("anything", (ids + 40_000).to(torch.ScalarType.Int16)));
        byte[] bytes = File.ReadAllBytes(In("t.safetensors"));
        File.WriteAllBytes(In("t.safetensors"), System.Text.Encoding.Latin1.GetBytes(System.Text.Encoding.Latin1.GetString(bytes).Replace("\"I16\"", "\"U16\"", StringComparison.Ordinal)));
        Import(new ImportConfig { Files = [In("a.npz")], TokenIds = [In("t.safetensors")], HeldOutFraction = 0.3 });
        AssertRows(row => (row / 30 * 3, row % 30 + 5, row % 91 + 40_000), x);
    }

    [Fact]
    public void Parquet_has_a_column_of_lists_and_ids_that_may_be_missing()
    {
        Parquet("l.parquet", $"select [{string.Join(", ", Enumerable.Range(0, Width).Select(i => $"((i * {Width} + {i}) / 4.0 - 200)::float"))}] as activation, i // 20 as doc_id, case when i = 3 then null else (i % 91)::usmallint end as token from range({Rows}) t(i)", rowGroup: 2048);
        Import(new ImportConfig { Files = [In("l.parquet")], HeldOutFraction = 0.3 });
        AssertRows(row => (row / 20, row % 20, row == 3 ? -1 : row % 91), x);
    }

    [Fact]
    public void Parquet_may_have_one_column_for_each_dimension_and_files_follow_each_other()
    {
        string columns = string.Join(", ", Enumerable.Range(0, Width).Select(i => $"((i * {Width} + {i}) / 4.0 - 200)::double as x{i}"));
        Parquet("a.parquet", $"select {columns}, i as token_id from range(140) t(i)");
        Parquet("b.parquet", $"select {columns}, i as token_id from range(140, {Rows}) t(i)");
        Import(new ImportConfig { Files = [folder], DocumentRows = 100, HeldOutFraction = 0 });
        AssertRows(row => row < 140 ? (row / 100, row % 100, row) : (2 + (row - 140) / 100, (row - 140) % 100, row), x);
    }

    [Theory]
    [InlineData("case when i = 7 then [1.5::float] else [1.5::float, 2] end as v", "row 7 of column v has 1 numbers")]
    [InlineData("case when i = 7 then null else [1.5::float, 2] end as v", "empty row or a missing number")]
    [InlineData("case when i = 7 then [null, 2::float] else [1.5::float, 2] end as v", "empty row or a missing number")]
    [InlineData("case when i = 7 then []::float[] else [1.5::float, 2] end as v", "empty row or a missing number")]
    [InlineData("case when i = 7 then null else 1.5::float end as v", "empty row or a missing number")]
    [InlineData("i as v, 'text' as w", "nothing that could be activations")]
    [InlineData("[1.5::float] as v, [2.5::double] as w", "several")]
    [InlineData("[1.5::float] as v, -i as document", "says document -1")]
    [InlineData("[1.5::float] as v, i - 3 as token", "says token -3")]
    public void A_table_that_is_no_rows_is_refused(string columns, string expected)
    {
        Parquet("bad.parquet", $"select {columns} from range(10) t(i)");
        AssertError(new ImportConfig { Files = [In("bad.parquet")] }, expected);
    }

    [Fact]
    public void What_does_not_belong_together_is_refused()
    {
        NumpyWriter.WriteArray(In("x.npy"), x);
        NumpyWriter.WriteArray(In("y.npy"), x[.., ..5].contiguous());
        NumpyWriter.WriteArray(In("t.npy"), ids[..50].contiguous());
        Write("two.safetensors", ("a", x), ("b", x), ("n", ids));
        AssertError(new ImportConfig { Files = [In("x.npy"), In("y.npy")] }, "rows of width 7");
        AssertError(new ImportConfig { Files = [In("x.npy")], TokenIds = [In("t.npy")] }, "has 50 numbers for 300 rows");
        AssertError(new ImportConfig { Files = [In("x.npy")], TokenIds = ["n"] }, "neither in");
        AssertError(new ImportConfig { Files = [In("t.npy")] }, "nothing that could be activations");
        AssertError(new ImportConfig { Files = [In("two.safetensors")] }, "several tensors");
        AssertError(new ImportConfig { Files = [In("two.safetensors")], Tensor = "c" }, "no tensor named c");
        AssertError(new ImportConfig { Files = [In("two.safetensors")], Tensor = "n" }, "is I64 [300]");
        AssertError(new ImportConfig { Files = [In("two.safetensors")], Tensor = "a", Heads = true }, "with heads it must be");
        AssertError(new ImportConfig { Files = [In("nowhere.npy")] }, "does not exist");
        AssertError(new ImportConfig { Files = [], DocumentRows = 0, HeldOutFraction = 2 }, "files is empty; name at least one file; document_rows is 0");
        Assert.False(Directory.Exists(In("store")));
    }

    [Fact]
    public void A_row_that_is_no_number_is_named()
    {
        using torch.Tensor bad = x.clone();
        bad[123, 2] = float.NaN;
        NumpyWriter.WriteArray(In("x.npy"), bad);
        AssertError(new ImportConfig { Files = [In("x.npy")], DocumentRows = 100 }, "token 23 of document 1 is NaN");
    }

    [Fact]
    public void An_import_that_was_stopped_resumes_to_the_same_bytes()
    {
        Write("x.safetensors", ("activations", torch.rand([20_000, Width])), ("tokens", torch.arange(20_000L)));
        var config = new ImportConfig { Files = [In("x.safetensors")], RowsPerShard = 3000, HeldOutFraction = 0.3 };
        Import(config);
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Import(config, "again", progress: new StopAfter(stop, 12_000), cancellation: stop.Token));
        Assert.Throws<UserErrorException>(() => Import(config, "again"));
        StoreManifest resumed = Import(config, "again", resume: true);
        Assert.Equal(SampleStore.Hashes(In("store")), SampleStore.Hashes(In("again")));
        Assert.Equal(JsonFile.ToText(resumed), JsonFile.ToText(Import(config, "again", resume: true)));
        Assert.Contains("import.document_rows", Assert.Throws<UserErrorException>(() => Import(config with { DocumentRows = 9 }, "again", resume: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_store_imports_its_own_shards()
    {
        NumpyWriter.WriteArray(In("x.npy"), x);
        Import(new ImportConfig { Files = [In("x.npy")], Dtype = StoreDtype.Int8, HeldOutFraction = 0 });
        StoreManifest again = Import(new ImportConfig { Files = [Path.Combine(In("store"), "shard-00000.safetensors")], HeldOutFraction = 0 }, "again");
        using ActivationStore first = ActivationStore.Open(In("store")), second = ActivationStore.Open(In("again"));
        AssertError(new ImportConfig { Files = [In("store")] }, "is an activation store already");
        Assert.Equal(StoreDtype.Int8, again.Plan.Dtype);
        Assert.Equal(first.Read(Rows).Single().Span.ToArray(), second.Read(Rows).Single().Span.ToArray());
    }

    [Fact]
    public void A_table_shows_rows_with_what_their_tokens_read_like()
    {
        string model = Path.Combine(Repository.Root, "activations", "sample", "dotnet-docs-lm");
        NumpyWriter.WriteArray(In("x.npy"), x);
        NumpyWriter.WriteArray(In("t.npy"), ids);
        Import(new ImportConfig { Files = [In("x.npy")], TokenIds = [In("t.npy")], Tokenizer = model, HeldOutFraction = 0 });
        using ActivationStore store = ActivationStore.Open(In("store"));
        DataFrame table = store.ToDataFrame(20);
        Assert.Equal(["document", "position", "token", "text", "norm", "x0", "x1", "x2", "x3", "x4", "x5", "x6"], table.Columns.Select(column => column.Name));
        Assert.Equal(20, table.Rows.Count);
        Tokenizer tokenizer = Tokenizer.Load(model);
        for (int row = 0; row < 20; row++)
        {
            Assert.Equal((0, row, row, tokenizer.Display(row)), ((int)table["document"][row], (int)table["position"][row], (int)table["token"][row], (string)table["text"][row]));
            Assert.Equal(x[row, 6].item<float>(), table["x6"][row]);
            Assert.Equal(x[row].norm().item<float>(), (float)table["norm"][row], 1e-3);
        }
        Assert.Equal(Rows, store.ToDataFrame(10_000, seed: 1).Rows.Count);
        Assert.Throws<UserErrorException>(() => store.ToDataFrame(0));
        Assert.Empty(store.ToDataFrame(5, StoreSplit.HeldOut).Rows);
        Assert.DoesNotContain('\n', store.ToString());
        Assert.StartsWith("300 rows x 7 f32 of imported in unknown on x.npy", store.ToString(), StringComparison.Ordinal);
    }

    private StoreManifest Import(ImportConfig config, string output = "store", bool resume = false, IProgress<ProgressReport>? progress = null, CancellationToken? cancellation = null) =>
        ActivationImport.Import(config, In(output), resume, progress, cancellation ?? TestContext.Current.CancellationToken);

    private string In(string name) => Path.Combine(folder, name);

    private void Write(string name, params (string Name, torch.Tensor Tensor)[] tensors) => SafetensorsWriter.Write(In(name), tensors.ToDictionary(pair => pair.Name, pair => pair.Tensor));

    private void Parquet(string name, string query, int rowGroup = 122_880)
    {
        using var connection = new DuckDBConnection("Data Source=:memory:");
        connection.Open();
        using DuckDBCommand command = connection.CreateCommand();
        command.CommandText = $"copy ({query} order by i) to '{In(name)}' (format parquet, row_group_size {rowGroup})";
        command.ExecuteNonQuery();
    }

    // Every row once, where its file says that it comes from.
    private void AssertRows(Func<int, (int Document, int Position, int Token)> origin, torch.Tensor values)
    {
        float[] expected = values.to(torch.ScalarType.Float32).contiguous().data<float>().ToArray();
        Dictionary<(int, int), int> rows = Enumerable.Range(0, Rows).ToDictionary(row => (origin(row).Document, origin(row).Position));
        Assert.Empty(ActivationStore.Verify(In("store"), cancellation: TestContext.Current.CancellationToken));
        using ActivationStore store = ActivationStore.Open(In("store"));
        int count = 0;
        foreach (ActivationBatch batch in store.Read(64))
        {
            for (int i = 0; i < batch.Rows; i++, count++)
            {
                Assert.True(rows.Remove((batch.Documents[i], batch.Positions[i]), out int row), $"{batch.Documents[i]}:{batch.Positions[i]} is no row, or comes twice");
                Assert.Equal(origin(row).Token, batch.Tokens[i]);
                Assert.True(expected.AsSpan(row * Width, Width).SequenceEqual(batch.Row(i)));
                Assert.Equal(store.Plan.Split.IsHeldOut(batch.Documents[i]), count >= store.RowCount(StoreSplit.Training));
            }
        }
        Assert.Equal(Rows, count);
    }

    private void AssertError(ImportConfig config, string expected) => Assert.Contains(expected, Assert.Throws<UserErrorException>(() => Import(config)).Message, StringComparison.Ordinal);

    private sealed class StopAfter(CancellationTokenSource stop, long rows) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            if (value.Done >= rows) stop.Cancel();
        }
    }
}

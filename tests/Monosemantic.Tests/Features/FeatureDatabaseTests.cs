using System.Diagnostics;
using Monosemantic.Features;
using Monosemantic.Reports;
using Monosemantic.Runtime;
using Monosemantic.Tests.Reports;

namespace Monosemantic.Tests.Features;

public sealed class FeatureDatabaseTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;
    private readonly ReportData data = SyntheticReport.Make(200, 20);

    public FeatureDatabaseTests() => Write(folder, data);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Every_table_and_column_is_described_and_nothing_else()
    {
        using var database = FeatureDatabase.Open(folder);
        foreach ((string table, _) in IndexSchema.Tables)
        {
            string[] actual = [.. database.Query($"describe {table}").Rows.Select(row => (string)row[0]!)];
            Assert.Equal(IndexSchema.Columns.Where(column => column.Table == table).Select(column => column.Name), actual);
        }
        Assert.Equal(IndexSchema.Columns.Length, database.Query("from columns").Rows.Length);
        Assert.Equal(IndexTables.Names.Select(name => Path.GetFileNameWithoutExtension(name)).Order(), IndexSchema.Tables.Select(table => table.Name).Order());
    }

    [Fact]
    public void Queries_answer_with_the_numbers_of_the_evidence()
    {
        using var database = FeatureDatabase.Open(folder);
        QueryResult top = database.Query("select feature, density, max, mean from features order by density desc, feature limit 5");
        UnitEvidence[] expected = [.. data.Features.OrderByDescending(unit => unit.Density).ThenBy(unit => unit.Index).Take(5)];
        Assert.Equal(expected.Select(unit => (object?)unit.Index), top.Rows.Select(row => row[0]));
        Assert.Equal(expected.Select(unit => (object?)unit.Max), top.Rows.Select(row => row[2]));
        Assert.Equal((long)data.Features.Sum(unit => unit.Tokens.Length), database.Query("select count(*) from tokens where kind = 'feature'").Rows[0][0]);
        Assert.Equal(5, top.ToDataFrame().Rows.Count);
        Assert.Equal(data.Features.Length, FeatureIndex.Open(folder).ToDataFrame().Rows.Count);
    }

    [Theory]
    [InlineData("create table t (a int)")]
    [InlineData("drop view features")]
    [InlineData("copy features to 'stolen.csv'")]
    [InlineData("select 1; drop view features")]
    [InlineData("attach 'other.db'")]
    [InlineData("install httpfs")]
    [InlineData("set enable_external_access=true")]
    [InlineData("pragma database_list")]
    [InlineData("select * from read_text('/etc/hostname')")]
    [InlineData("from read_csv('/etc/passwd')")]
    [InlineData("from 'https://example.com/x.parquet'")]
    [InlineData("selekt 1")]
    [InlineData("")]
    public void What_does_not_read_the_index_is_refused(string sql)
    {
        using var database = FeatureDatabase.Open(folder);
        Assert.Throws<UserErrorException>(() => database.Query(sql));
        Assert.Equal(200L, database.Query("select count(*) from features").Rows[0][0]);
        Assert.Empty(Directory.GetFiles(folder, "*.csv"));
    }

    [Fact]
    public void A_folder_with_a_quote_in_its_name_is_only_a_name()
    {
        string odd = Path.Combine(folder, "o'dd; drop");
        Write(odd, SyntheticReport.Make(3, 0));
        using var database = FeatureDatabase.Open(odd);
        Assert.Equal(3L, database.Query("select count(*) from features").Rows[0][0]);
    }

    [Fact]
    public void Parameters_are_values_and_never_sql()
    {
        using var database = FeatureDatabase.Open(folder);
        Assert.Empty(database.Query("from vocabulary where text = $1", "' or 1=1 --").Rows);
        Assert.Single(database.Query("from vocabulary where text = $1", "<!--").Rows);
    }

    [Fact]
    [Trait("kind", "slow")]
    public void An_index_of_32_thousand_features_answers()
    {
        string large = Path.Combine(folder, "large");
        Write(large, SyntheticReport.Make(32_768, 0, contexts: 4));
        var clock = Stopwatch.StartNew();
        using var database = FeatureDatabase.Open(large);
        long opened = clock.ElapsedMilliseconds;
        foreach (string sql in new[] { "from features order by max desc limit 20", "select unit, count from tokens where text = ' the' order by count desc limit 20", "from neighbours where unit = 123", "select unit, max(activation) from contexts where contains(text, ' stream') group by unit order by 2 desc limit 20" })
        {
            database.Query(sql);
            clock.Restart();
            QueryResult result = database.Query(sql);
            TestContext.Current.TestOutputHelper?.WriteLine($"{clock.ElapsedMilliseconds} ms (opened in {opened} ms): {sql}");
            Assert.NotNull(result);
        }
        Assert.Equal(32_768L, database.Query("select count(*) from features").Rows[0][0]);
    }

    private static void Write(string folder, ReportData data) => FeatureIndex.Write(folder, data.Run, data.Features, data.Neurons, data.Vocabulary);
}

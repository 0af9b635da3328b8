using System.Collections.Immutable;
using Monosemantic.Features;

namespace Monosemantic.Tests.Features;

public sealed class ParquetTableTests : IDisposable
{
    private const int Group = 1 << 14;
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Group - 1)]
    [InlineData(Group)]
    [InlineData(Group + 1)]
    [InlineData(3 * Group)]
    public void All_rows_come_back_however_many_groups_they_fill(int rows)
    {
        int[] all = [.. Enumerable.Range(0, rows)];
        IndexTable table = new ParquetTable<int>(OnlyOnce(all))
            .Add("number", row => (long)row)
            .AddNullable("half", row => row % 2 == 0 ? row / 2f : (float?)null)
            .Add("text", row => $"row {row}")
            .AddLists("list", row => ImmutableArray.Create(row, -row)[..(1 + (row % 2))])
            .Write(folder, "t.parquet");
        Assert.Equal(("t.parquet", (long)rows), (table.Name, table.Rows));
        var read = new ParquetColumns(folder, "t.parquet");
        Assert.Equal(all.Select(row => (long)row), read.Read<long>("number"));
        Assert.Equal(all.Select(row => row % 2 == 0 ? row / 2f : (float?)null), read.ReadNullable<float>("half"));
        Assert.Equal(all.Select(row => $"row {row}"), read.ReadText("text"));
        Assert.Equal(all.SelectMany(row => row % 2 == 0 ? new[] { row } : [row, -row]), read.ReadLists<int>("list", [.. all.Select(row => 1 + (row % 2))]));
    }

    [Fact]
    public void A_column_that_fails_leaves_no_file()
    {
        ParquetTable<int> table = new ParquetTable<int>([1, 2]).Add("number", row => row == 1 ? row : throw new InvalidOperationException("second"));
        Assert.Throws<InvalidOperationException>(() => table.Write(folder, "t.parquet"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    private static IEnumerable<int> OnlyOnce(int[] rows)
    {
        bool gone = false;
        return Once();
        IEnumerable<int> Once()
        {
            Assert.False(gone);
            gone = true;
            foreach (int row in rows) yield return row;
        }
    }
}

using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>What is known of a finished shard; written beside it, after its files, so that its presence means they are whole.</summary>
internal sealed record ShardRecord
{
    /// <summary>The shard's entry of the manifest.</summary>
    public required StoreShard Shard { get; init; }

    /// <summary>The sums over its rows.</summary>
    public required ShardStatistics Statistics { get; init; }

    /// <summary>The record of a shard whose two files were just written.</summary>
    public static ShardRecord Of(string file, string rowsFile, int rows, int heldOutRows, ShardStatistics statistics) => new()
    {
        Statistics = statistics,
        Shard = new StoreShard
        {
            File = Path.GetFileName(file),
            Rows = rows,
            HeldOutRows = heldOutRows,
            Bytes = new FileInfo(file).Length,
            Sha256 = Hashing.OfFile(file),
            RowsFile = Path.GetFileName(rowsFile),
            RowsBytes = new FileInfo(rowsFile).Length,
            RowsSha256 = Hashing.OfFile(rowsFile),
        },
    };

    /// <summary>The leading shards of an unfinished store that are full and whole: those that a resumed extraction keeps.</summary>
    public static List<ShardRecord> ReadFinished(StoreFolder folder, int rowsPerShard)
    {
        var records = new List<ShardRecord>();
        while (File.Exists(folder[StoreFolder.StatisticsName(records.Count)]))
        {
            var record = JsonFile.Read<ShardRecord>(folder[StoreFolder.StatisticsName(records.Count)]);
            if (record.Shard.Rows != rowsPerShard || ProblemsOf(record.Shard, folder.Path).Any()) break;
            records.Add(record);
        }
        return records;
    }

    /// <summary>What is wrong with a shard's files as far as presence and size show it.</summary>
    public static IEnumerable<string> ProblemsOf(StoreShard shard, string folder)
    {
        foreach ((string name, long bytes) in new[] { (shard.File, shard.Bytes), (shard.RowsFile, shard.RowsBytes) })
        {
            var file = new FileInfo(Path.Combine(folder, name));
            if (!file.Exists) yield return $"{name} is missing";
            else if (file.Length != bytes) yield return $"{name} has {file.Length:N0} bytes, not {bytes:N0}";
        }
    }
}

using Monosemantic.Runtime;

namespace Monosemantic.Activations;

/// <summary>What is known of a finished shard; written beside it, after its files, so that its presence means they are whole.</summary>
internal sealed record ShardRecord
{
    /// <summary>The shard's entry of the manifest.</summary>
    public required StoreShard Shard { get; init; }

    /// <summary>Outliers left out of its split before its last row.</summary>
    public required long OutliersBefore { get; init; }

    /// <summary>The sums over its rows.</summary>
    public required ShardStatistics Statistics { get; init; }

    /// <summary>The leading shards of an unfinished store that are whole: those that a resumed extraction keeps.</summary>
    public static IEnumerable<ShardRecord> ReadFinished(StoreFolder folder)
    {
        for (int shard = 0; File.Exists(folder[StoreFolder.StatisticsName(shard)]); shard++)
        {
            var record = JsonFile.Read<ShardRecord>(folder[StoreFolder.StatisticsName(shard)]);
            if (record.Shard.Files.Any(file => file.ProblemIn(folder.Path) is not null)) yield break;
            yield return record;
        }
    }
}

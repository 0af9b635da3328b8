using System.Collections.Immutable;
using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Benchmarks;

/// <summary>A store of any size that takes next to no disk: its shards are holes, and share one file of origins.</summary>
internal static class SparseStore
{
    private const int RowsPerShard = 65536, BlockRows = 4096;

    internal static StorePlan Plan(int dModel, StoreDtype dtype) => new()
    {
        HookPoint = "blocks.0.hook_resid_post",
        DModel = dModel,
        Dtype = dtype,
        RowsPerShard = RowsPerShard,
        Model = new("simulated", ""),
        TokenizerSha256 = "",
        Corpus = new CorpusIdentity("simulated", null, "", 1 << 20, 0),
        Tokens = new TokenPolicy { Context = 128, Bos = BosPolicy.Always, Pack = true, ExcludeInserted = true },
        Sampling = new SamplingPolicy { ShuffleDocuments = true, Seed = 0, RowLimit = 0, Batch = 32 },
        Split = new DocumentSplit(0, 0),
    };

    /// <summary>Makes a store of zeros.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="rows">About how many rows; whole shards.</param>
    /// <param name="dModel">Width of a row.</param>
    internal static void Make(string folder, long rows, int dModel)
    {
        using (ActivationWriter writer = ActivationWriter.Create(Path.Combine(folder, "one"), Plan(dModel, StoreDtype.F32)))
        {
            int[] documents = new int[BlockRows], positions = [.. Enumerable.Range(0, BlockRows)];
            for (int block = 0; block < RowsPerShard / BlockRows; block++) writer.Add(new float[BlockRows * dModel], documents, positions, positions);
            writer.Complete();
        }
        StoreManifest one = StoreManifest.Read(Path.Combine(folder, "one", "manifest.json"));
        byte[] header = new byte[ShardFile.HeaderBytes];
        using (FileStream shard = File.OpenRead(Path.Combine(folder, "one", one.Shards[0].File))) shard.ReadExactly(header);
        var shards = ImmutableArray.CreateBuilder<StoreShard>();
        for (int i = 0; i < rows / RowsPerShard; i++)
        {
            StoreShard shard = one.Shards[0] with { File = $"shard-{i:D5}.safetensors" };
            using FileStream hole = File.Create(Path.Combine(folder, shard.File));
            hole.Write(header);
            hole.SetLength(shard.Bytes);
            shards.Add(shard);
        }
        File.Copy(Path.Combine(folder, "one", one.Shards[0].RowsFile), Path.Combine(folder, one.Shards[0].RowsFile));
        Directory.Delete(Path.Combine(folder, "one"), recursive: true);
        JsonFile.Write(Path.Combine(folder, "manifest.json"), one with { Rows = (long)shards.Count * RowsPerShard, TokenTexts = null, Shards = shards.ToImmutable() });
    }
}

using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Activations;

/// <summary>A temporary folder and small stores of known rows in it.</summary>
public sealed class SampleStore : IDisposable
{
    public const int Documents = 60;

    public string Folder { get; } = Directory.CreateTempSubdirectory("monosemantic-store-").FullName;

    public string Path => System.IO.Path.Combine(Folder, "store");

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    public static StorePlan Plan(int dModel = 12, StoreDtype dtype = StoreDtype.F32, int rowsPerShard = 100, double heldOut = 0.3) => new()
    {
        HookPoint = "blocks.1.hook_resid_post",
        DModel = dModel,
        Dtype = dtype,
        RowsPerShard = rowsPerShard,
        Model = new("toy", "00"),
        TokenizerSha256 = "11",
        Corpus = new CorpusIdentity("texts", null, "22", Documents, 1234),
        Tokens = new TokenPolicy { Context = 16, Bos = BosPolicy.Always, Pack = true, ExcludeInserted = true },
        Sampling = new SamplingPolicy { ShuffleDocuments = true, Seed = 0, RowLimit = 0, Batch = 4 },
        Split = new DocumentSplit(5, heldOut),
    };

    /// <summary>Row r: normal values about a mean far from zero, of document r / 7 and token position r mod 7.</summary>
    public static float[] Values(int rows, int dModel)
    {
        var random = new SeededRandom(17);
        var values = new float[rows * dModel];
        for (int i = 0; i < values.Length; i++) values[i] = (float)(random.NextNormal() * (1 + i % dModel) + 40);
        return values;
    }

    public static int DocumentOf(int row) => row / 7 % Documents;

    public static int TokenOf(int row) => row * 31 % 997;

    public StoreManifest Write(StorePlan plan, int rows, int chunk = 37)
    {
        using ActivationWriter writer = ActivationWriter.Create(Path, plan);
        Add(writer, 0, rows, rows, chunk);
        return writer.Complete();
    }

    public static void Add(ActivationWriter writer, int from, int to, int allRows, int chunk = 37)
    {
        int dModel = writer.Plan.DModel;
        float[] values = Values(allRows, dModel);
        for (int first = from; first < to; first += chunk)
        {
            int[] rows = [.. Enumerable.Range(first, Math.Min(chunk, to - first))];
            writer.Add(values.AsSpan(first * dModel, rows.Length * dModel), [.. rows.Select(DocumentOf)], [.. rows.Select(row => row % 7)], [.. rows.Select(TokenOf)]);
        }
    }

    public static Dictionary<string, string> Hashes(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .ToDictionary(file => System.IO.Path.GetRelativePath(folder, file), Hashing.OfFile);
}

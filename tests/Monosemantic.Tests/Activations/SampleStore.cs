using Monosemantic.Activations;
using Monosemantic.Runtime;
using Monosemantic.Text;

namespace Monosemantic.Tests.Activations;

/// <summary>A temporary folder and small stores of known rows in it.</summary>
public sealed class SampleStore : IDisposable
{
    public const int Documents = 60;
    private const int RowsPerDocument = 8;

    // Those of training come first in a store.
    private static readonly int[] Order = [.. Enumerable.Range(0, Documents).OrderBy(document => new DocumentSplit(5, 0.3).IsHeldOut(document))];

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

    /// <summary>Normal values about a mean far from zero.</summary>
    public static float[] Values(int rows, int dModel)
    {
        var random = new SeededRandom(17);
        var values = new float[rows * dModel];
        for (int i = 0; i < values.Length; i++) values[i] = (float)(random.NextNormal() * (1 + i % dModel) + 40);
        return values;
    }

    public static int DocumentOf(int row) => Order[Math.Min(row / RowsPerDocument, Documents - 1)];

    public static int PositionOf(int row) => row % RowsPerDocument;

    public static int TokenOf(int row) => row * 31 % 997;

    /// <summary>A value as a store gives it back.</summary>
    public static float[] Rounded(float[] values, int dModel, StoreDtype dtype)
    {
        var rounded = new float[values.Length];
        for (int at = 0; at < values.Length; at += dModel)
        {
            float scale = values.AsSpan(at, dModel).ToArray().Max(MathF.Abs) / 127;
            for (int i = at; i < at + dModel; i++)
            {
                rounded[i] = dtype switch
                {
                    StoreDtype.F16 => (float)(Half)values[i],
                    StoreDtype.BF16 => BitConverter.Int32BitsToSingle((int)(Math.Round(BitConverter.SingleToUInt32Bits(values[i]) / 65536.0) * 65536)),
                    StoreDtype.Int8 => (float)Math.Round(values[i] / scale) * scale,
                    _ => values[i],
                };
            }
        }
        return rounded;
    }

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
            writer.Add(values.AsSpan(first * dModel, rows.Length * dModel), [.. rows.Select(DocumentOf)], [.. rows.Select(PositionOf)], [.. rows.Select(TokenOf)]);
        }
    }

    public static Dictionary<string, string> Hashes(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .ToDictionary(file => System.IO.Path.GetRelativePath(folder, file), Hashing.OfFile);
}

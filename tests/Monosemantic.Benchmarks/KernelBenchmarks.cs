using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using Monosemantic.Text;
using static TorchSharp.torch;

namespace Monosemantic.Benchmarks;

/// <summary>The inner loops one by one, on the demo's sizes. Not sealed: the library that runs it derives from it.</summary>
[MemoryDiagnoser]
public class KernelBenchmarks
{
    private const int Rows = 2048, DModel = 192, DSae = 4096, K = 16;
    private SparseAutoencoder sae = null!;
    private SparseCode code = null!;
    private Tokenizer tokenizer = null!;
    private string text = "";
    private readonly float[] values = new float[Rows * DModel];
    private readonly float[] decoded = new float[Rows * DModel];

    /// <summary>Runs them in this process: a build of its own would copy libtorch.</summary>
    public static int Run(bool dry)
    {
        Job job = (dry ? Job.Dry : Job.ShortRun).WithToolchain(InProcessEmitToolchain.Instance);
        return BenchmarkRunner.Run<KernelBenchmarks>(DefaultConfig.Instance.AddJob(job)).HasCriticalValidationErrors ? 1 : 0;
    }

    [GlobalSetup]
    public void Prepare()
    {
        var random = new SeededRandom(1);
        for (int i = 0; i < values.Length; i++) values[i] = (float)random.NextNormal();
        using Tensor directions = randn(DSae, DModel);
        using Tensor decoder = directions / directions.norm(1, keepdim: true, p: 2);
        using Tensor encoder = decoder.t().contiguous(), bEnc = zeros(DSae), bDec = zeros(DModel);
        sae = SparseAutoencoder.FromWeights(new SaeConfig { DModel = DModel, DSae = DSae, K = K }, encoder, bEnc, decoder, bDec);
        code = sae.EncodeSparse(values, Rows);
        text = string.Concat(Enumerable.Repeat("Returns the number of bytes read from the stream, or 0 at its end. ", 2000));
        tokenizer = Tokenizer.Create(BytePairTrainer.Train([text], 300));
    }

    [GlobalCleanup]
    public void Free() => sae.Dispose();

    [Benchmark]
    public SparseCode EncodeRows() => sae.EncodeSparse(values, Rows);

    [Benchmark]
    public void DecodeRows() => sae.Decode(code, decoded);

    [Benchmark]
    public int TokenizeText() => tokenizer.Encode(text).Length;
}

using Monosemantic.Benchmarks;
using Monosemantic.Runtime;

try
{
    return args switch
    {
        ["train-step", .. string[] options] => TrainStepBenchmark.Run(options),
        ["forward", .. string[] options] => ForwardBenchmark.Run(options),
        ["eval", .. string[] options] => EvalBenchmark.Run(options),
        ["synth-sae-bench", .. string[] options] => SynthSaeBenchmark.Run(options),
        ["tokenizers", .. string[] options] => TokenizerBenchmark.Run(options),
        ["store", .. string[] options] => StoreBenchmark.Run(options),
        ["stories", .. string[] options] => StoriesBenchmark.Run(options),
        ["scan", .. string[] options] => ScanBenchmark.Run(options),
        ["query", .. string[] options] => QueryBenchmark.Run(options),
        ["report", .. string[] options] => ReportBenchmark.Run(options),
        ["kernels"] => KernelBenchmarks.Run(dry: false),
        ["kernels", "--dry"] => KernelBenchmarks.Run(dry: true),
        _ => Usage(),
    };
}
catch (UserErrorException error)
{
    Console.Error.WriteLine($"error: {error.Message}\nhint:  {error.Hint}");
    return 1;
}

static int Usage()
{
    Console.Error.WriteLine("usage: train-step [--only NAME] | forward | eval | tokenizers | store | scan [--json FILE] [--quick] [--demo] [--rows N] | report [--json FILE] | query [--json FILE] | stories --data DIR [--json FILE] | synth-sae-bench [--only NAME] [--json FILE] [--samples N] [--preset NAME] [--lr X] [--quick] | kernels [--dry]");
    return 1;
}

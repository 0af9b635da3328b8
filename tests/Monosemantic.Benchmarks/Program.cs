using Monosemantic.Benchmarks;
using Monosemantic.Runtime;

try
{
    return args is ["train-step", .. string[] options] ? TrainStepBenchmark.Run(options) : Usage();
}
catch (UserErrorException error)
{
    Console.Error.WriteLine($"error: {error.Message}\nhint:  {error.Hint}");
    return 1;
}

static int Usage()
{
    Console.Error.WriteLine("usage: train-step [--json FILE] [--quick]");
    return 1;
}

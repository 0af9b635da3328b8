using Monosemantic.Runtime;

Console.WriteLine(TorchRuntime.Load());

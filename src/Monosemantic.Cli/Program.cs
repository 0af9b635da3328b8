using Monosemantic.Cli;

return await CommandLineApp.RunAsync(args);

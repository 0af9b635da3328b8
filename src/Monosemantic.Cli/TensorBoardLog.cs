using Monosemantic.Runtime;
using Monosemantic.Training;
using TorchSharp;

namespace Monosemantic.Cli;

/// <summary>Steps of a training as TensorBoard event files.</summary>
internal sealed class TensorBoardLog
{
    private readonly TorchSharp.Modules.SummaryWriter writer;

    internal TensorBoardLog(string folder)
    {
        TorchRuntime.Load();
        AtomicFile.MakeFolder(folder);
        writer = torch.utils.tensorboard.SummaryWriter(folder, createRunName: false);
    }

    internal void Add(TrainStep step)
    {
        int at = (int)Math.Min(step.Step, int.MaxValue);
        foreach (LossTerm term in step.Terms) writer.add_scalar($"losses/{term.Name}", (float)term.Value, at);
        writer.add_scalar("losses/total", (float)step.Loss, at);
        if (step.Fvu is { } fvu) writer.add_scalar("metrics/fvu", (float)fvu, at);
        writer.add_scalar("metrics/l0", (float)step.L0, at);
        writer.add_scalar("sparsity/dead_features", step.DeadFeatures, at);
        writer.add_scalar("details/gradient_norm", (float)step.GradientNorm, at);
        writer.add_scalar("details/learning_rate", (float)step.LearningRate, at);
    }
}

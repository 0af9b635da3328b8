using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Cli;

/// <summary>Steps of a dictionary's training as a progress bar, and as TensorBoard events where asked.</summary>
internal static class TrainProgress
{
    internal static IProgress<TrainStep>? Of(IProgress<ProgressReport>? progress, SaeTrainingConfig config, TensorBoardLog? events = null) =>
        progress is null && events is null ? null : new Bar(progress, config.TotalSteps, events);

    private sealed class Bar(IProgress<ProgressReport>? progress, long total, TensorBoardLog? events) : IProgress<TrainStep>
    {
        public void Report(TrainStep value)
        {
            progress?.Report(new("train", value.Step, total, "steps", $"FVU {value.Fvu:F3}, L0 {value.L0:F1}, dead {value.DeadFeatures:N0}, loss {value.Loss:F3}"));
            events?.Add(value);
        }
    }
}

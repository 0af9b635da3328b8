using System.Diagnostics;
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
        private readonly Stopwatch clock = new();
        private TrainStep? first;

        public void Report(TrainStep value)
        {
            // From the first step on, which a resumed run does not begin with, and which prepares what the others use.
            if (first is null)
            {
                first = value;
                clock.Start();
            }
            progress?.Report(new("train", value.Step, total, "steps", $"FVU {value.Fvu:F3}, L0 {value.L0:F1}, dead {value.DeadFeatures:N0}, loss {value.Loss:F3}{Terms(value)}{Pace(value, first)}"));
            events?.Add(value);
        }

        private static string Terms(TrainStep value)
        {
            string[] terms = [.. value.Terms.Where(term => term.Value != 0).Select(term => $"{term.Name} {term.Value:F3}")];
            return terms.Length > 1 ? $" ({string.Join(" + ", terms)})" : "";
        }

        private string Pace(TrainStep value, TrainStep since)
        {
            double seconds = clock.Elapsed.TotalSeconds;
            if (value.Step == since.Step || seconds == 0) return "";
            double left = seconds * (total - value.Step) / (value.Step - since.Step);
            return $", {(value.Tokens - since.Tokens) / seconds:N0} tokens/s, {TimeSpan.FromSeconds(Math.Ceiling(left)):g} left";
        }
    }
}

namespace Monosemantic.Training;

/// <summary>Linear rise, plateau, linear fall to 0.</summary>
internal static class LearningRateSchedule
{
    /// <summary>The learning rate of a step.</summary>
    /// <param name="config">Peak, warm-up and decay.</param>
    /// <param name="step">The step, from 0.</param>
    internal static double At(SaeTrainingConfig config, long step)
    {
        long total = config.TotalSteps, decaySteps = (long)(config.LrDecayFraction * total);
        double rise = config.LrWarmUpSteps == 0 ? 1 : Math.Min((step + (config.LrWarmUpFromZero ? 0 : 1)) / (double)config.LrWarmUpSteps, 1);
        double fall = decaySteps == 0 ? 1 : Math.Min((total - step) / (double)decaySteps, 1);
        return config.PeakLr * rise * fall;
    }
}

namespace Monosemantic.Training;

/// <summary>Linear rise (again after each resampling, where asked), plateau, fall to 0.</summary>
internal static class LearningRateSchedule
{
    /// <summary>The learning rate of a step.</summary>
    /// <param name="config">Peak, warm-up and decay.</param>
    /// <param name="step">The step, from 0.</param>
    internal static double At(SaeTrainingConfig config, long step)
    {
        long total = config.TotalSteps, decaySteps = (long)Math.Round(config.LrDecayFraction * total);
        double rise = config.LrWarmUpSteps == 0 ? 1 : Math.Min((step + (config.LrWarmUpFromZero ? 0 : 1)) / (double)config.LrWarmUpSteps, 1);
        if (config.Resampling is { WarmUpSteps: > 0 } resampling && step >= resampling.Every) rise = Math.Min(step % resampling.Every / (double)resampling.WarmUpSteps, 1);
        double left = decaySteps == 0 ? 1 : Math.Min((total - step) / (double)decaySteps, 1);
        return config.PeakLr * rise * (config.LrDecay == LrDecay.Linear ? left : (1 - Math.Cos(Math.PI * left)) / 2);
    }
}

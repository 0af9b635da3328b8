using Monosemantic.Runtime;

namespace Monosemantic.Training;

/// <summary>Stops a training that leads nowhere, with the step, the likely cause and what to try.</summary>
internal sealed class DivergenceWatch(SaeTrainingConfig config)
{
    private const int Patience = 20;
    private const double Explosion = 100;
    private double first = double.NaN, lowest = double.PositiveInfinity;
    private int exploded, silent;

    /// <summary>Looks at a step.</summary>
    /// <param name="step">Its number, from 1.</param>
    /// <param name="losses">Its losses.</param>
    /// <param name="gradientNorm">Length of its gradient.</param>
    /// <param name="rows">Its tokens.</param>
    /// <exception cref="UserErrorException">The training diverged, or all features are dead.</exception>
    internal void Check(long step, BatchLosses losses, double gradientNorm, int rows)
    {
        if (!double.IsFinite(losses.Loss) || !double.IsFinite(gradientNorm))
        {
            throw new UserErrorException($"step {step}: the loss is {losses.Loss} and the gradient's length {gradientNorm}; the training diverged", $"lower lr (now {config.PeakLr}) or raise lr_warm_up_steps, and check input_scaling");
        }
        double error = losses.SquaredError / rows;
        if (double.IsNaN(first)) first = error;
        lowest = Math.Min(lowest, error);
        exploded = error > Explosion * Math.Max(lowest, double.Epsilon) && error > 10 * first ? exploded + 1 : 0;
        silent = losses.Active == 0 ? silent + 1 : 0;
        if (exploded >= Patience)
        {
            throw new UserErrorException($"step {step}: for {Patience} steps the error has been over {Explosion:N0} times its lowest ({error:G4}, lowest {lowest:G4}); the training diverged", $"lower lr (now {config.PeakLr}), raise lr_warm_up_steps, or clip gradients (clip_grad_norm is {config.ClipGradNorm})");
        }
        if (silent >= Patience)
        {
            throw new UserErrorException($"step {step}: no feature has fired for {Patience} steps; all are dead", $"lower sparsity.coefficient (now {config.Sparsity.Coefficient}) or lr (now {config.PeakLr}), or let the coefficient rise slowly with sparsity.warm_up_steps");
        }
    }
}

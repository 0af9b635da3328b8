namespace Monosemantic.Training;

/// <summary>
/// Coefficient and exponent of the sparsity loss from step to step: a linear rise, and p-annealing with its memory of past
/// losses. What it holds is part of a checkpoint.
/// </summary>
internal sealed class SparsitySchedule(SaeTrainingConfig config)
{
    private readonly SparsityConfig sparsity = config.Sparsity;
    private readonly List<(double Now, double Next)> queue = [];
    private double factor = 1, tuned = 1, smoothL0 = double.NaN, drift;
    private int changes;

    /// <summary>Exponent in force.</summary>
    internal double Power { get; private set; } = config.Sparsity.P;

    /// <summary>Exponent after the next change; null before the first and where there is no annealing.</summary>
    internal double? NextPower { get; private set; }

    /// <summary>What the checkpoint keeps.</summary>
    internal double[] State
    {
        get => [factor, changes, Power, NextPower ?? double.NaN, tuned, smoothL0, drift, .. queue.SelectMany(pair => new[] { pair.Now, pair.Next })];
        set
        {
            (factor, changes, Power) = (value[0], (int)value[1], value[2]);
            NextPower = double.IsNaN(value[3]) ? null : value[3];
            (tuned, smoothL0, drift) = (value[4], value[5], value[6]);
            queue.Clear();
            for (int i = 7; i < value.Length; i += 2) queue.Add((value[i], value[i + 1]));
        }
    }

    /// <summary>Coefficient of a step, counted from 0.</summary>
    internal double At(long step)
    {
        double rise = sparsity.WarmUpFraction is { } share ? share * config.TotalSteps : sparsity.WarmUpSteps;
        return sparsity.Coefficient * factor * tuned * (rise <= 0 ? 1 : Math.Min(step / rise, 1));
    }

    /// <summary>Moves the coefficient towards an L0, where that is asked for.</summary>
    /// <param name="step">The step.</param>
    /// <param name="l0">Its features per token.</param>
    internal void Tune(long step, double l0)
    {
        if (sparsity.L0Tuning is not { } tuning) return;
        double before = smoothL0;
        smoothL0 = double.IsNaN(before) ? l0 : (0.99 * before) + (0.01 * l0);
        drift = double.IsNaN(before) ? 0 : (0.95 * drift) + (0.05 * (smoothL0 - before));
        double error = smoothL0 - tuning.Target;
        if (step < tuning.StartFraction * config.TotalSteps || error == 0) return;
        // Where it is on its way already the coefficient hardly moves.
        double change = tuning.Rate * (error * drift < 0 ? 0.01 : 1) * Math.Tanh(10 * Math.Abs(error) / tuning.Target);
        tuned = Math.Clamp(tuned * (error > 0 ? 1 + change : 1 - change), 0.01, 100);
    }

    /// <summary>Takes note of a step's losses, without their coefficient, and changes the exponent where it is time.</summary>
    /// <param name="step">The step.</param>
    /// <param name="loss">Loss with the present exponent.</param>
    /// <param name="next">Loss with the next one.</param>
    internal void Record(long step, double loss, double next)
    {
        if (sparsity.PAnnealing is not { } annealing) return;
        if (NextPower is not null)
        {
            queue.Add((loss, next));
            if (queue.Count > annealing.QueueLength) queue.RemoveAt(0);
        }
        if (changes >= annealing.Updates || step < UpdateStep(annealing, changes) || !IsUpdateStep(annealing, step)) return;
        if (NextPower is not null) factor *= queue.Average(pair => pair.Now) / queue.Average(pair => pair.Next);
        Power = PowerOf(annealing, changes);
        NextPower = changes < annealing.Updates - 1 ? PowerOf(annealing, changes + 1) : annealing.PEnd;
        changes++;
    }

    private bool IsUpdateStep(PAnnealingConfig annealing, long step) => Enumerable.Range(0, annealing.Updates).Any(change => UpdateStep(annealing, change) == step);

    // Both are evenly spaced, ends included; steps are cut to whole numbers.
    private long UpdateStep(PAnnealingConfig annealing, int change) => annealing.Updates == 1 ? annealing.Start : (long)(annealing.Start + ((config.TotalSteps - annealing.Start) * (double)change / (annealing.Updates - 1)));

    private double PowerOf(PAnnealingConfig annealing, int change) => annealing.Updates == 1 ? sparsity.P : sparsity.P + ((annealing.PEnd - sparsity.P) * change / (annealing.Updates - 1));
}

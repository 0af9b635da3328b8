using System.Collections.Immutable;

namespace Monosemantic.Training;

/// <summary>What one optimiser step reports: numbers only.</summary>
/// <param name="Step">Number of the step, from 1.</param>
/// <param name="Tokens">Tokens trained on so far, this step's included.</param>
/// <param name="Loss">What was minimised: the sum of the terms.</param>
/// <param name="Mse">Mean over tokens of the squared length of x - x_hat, in the scaled units of training.</param>
/// <param name="AuxLoss">Auxiliary loss before its coefficient; 0 where no feature is dead.</param>
/// <param name="Fvu">Fraction of the batch's variance left unexplained; null where the batch has none.</param>
/// <param name="L0">Mean number of features that fire per token.</param>
/// <param name="DeadFeatures">Features that count as dead after this batch.</param>
/// <param name="GradientNorm">Length of the whole gradient before clipping.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="Terms">The parts of the loss, coefficients included.</param>
public sealed record TrainStep(
    long Step, long Tokens, double Loss, double Mse, double AuxLoss, double? Fvu, double L0, int DeadFeatures, double GradientNorm, double LearningRate, ImmutableArray<LossTerm> Terms);

using System.Collections.Immutable;

namespace Monosemantic.Training;

/// <summary>One part of a loss.</summary>
/// <param name="Name">What it is called in logs.</param>
/// <param name="Value">Its value, coefficients included.</param>
public sealed record LossTerm(string Name, double Value);

/// <summary>Losses of one batch.</summary>
/// <param name="Loss">What is minimised.</param>
/// <param name="SquaredError">Sum over tokens of the squared length of x - x_hat.</param>
/// <param name="AuxLoss">Auxiliary loss before its coefficient.</param>
/// <param name="Variance">Sum over tokens of the squared distance of the targets from their mean.</param>
/// <param name="Active">Number of feature activations.</param>
/// <param name="Dead">Number of dead features.</param>
/// <param name="Terms">The parts of the loss.</param>
internal sealed record BatchLosses(double Loss, double SquaredError, double AuxLoss, double Variance, int Active, int Dead, ImmutableArray<LossTerm> Terms);

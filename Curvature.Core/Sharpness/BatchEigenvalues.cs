using Curvature.Estimators;

namespace Curvature.Sharpness;

/// <summary>The ends of the spectra of mini-batch Hessians of one size.</summary>
/// <param name="BatchSize">Samples in a batch, drawn without replacement.</param>
/// <param name="Largest">Mean of lambda_max over the batches drawn; its standard error is over them, 0 of the whole data.</param>
/// <param name="Smallest">Mean of lambda_min.</param>
public sealed record BatchEigenvalues(int BatchSize, Estimate Largest, Estimate Smallest)
{
    /// <value>
    /// Whether every eigenvalue averaged reached the tolerance asked for (default true). Where one did not it is too small in magnitude, which the standard error does not hold.
    /// </value>
    public bool Converged { get; init; } = true;
}

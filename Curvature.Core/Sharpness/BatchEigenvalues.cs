using Curvature.Estimators;

namespace Curvature.Sharpness;

/// <summary>The ends of the spectra of mini-batch Hessians of one size.</summary>
/// <param name="BatchSize">Samples in a batch, drawn without replacement.</param>
/// <param name="Largest">Mean of lambda_max over the batches drawn; its standard error is over them, 0 of the whole data.</param>
/// <param name="Smallest">Mean of lambda_min.</param>
public sealed record BatchEigenvalues(int BatchSize, Estimate Largest, Estimate Smallest);

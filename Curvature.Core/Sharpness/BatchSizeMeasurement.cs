using Curvature.Estimators;
using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>Extreme eigenvalues of mini-batch Hessians, measured and predicted. <see cref="BatchSizeStudy"/> makes it.</summary>
/// <param name="Samples">N, the samples of the full Hessian.</param>
/// <param name="Parameters">P.</param>
/// <param name="Largest">lambda_max of the full Hessian.</param>
/// <param name="Smallest">lambda_min of it.</param>
/// <param name="Noise">What the samples' Hessians differ by, along random directions and along the sharpest.</param>
/// <param name="Measured">Eigenvalues by batch size, ascending.</param>
/// <param name="Products">Hessian products spent, counted in passes over the N samples.</param>
public sealed record BatchSizeMeasurement(
    long Samples, long Parameters, Eigenvalue Largest, Eigenvalue Smallest, HessianNoise Noise, IReadOnlyList<BatchEigenvalues> Measured, double Products)
{
    /// <summary>The law with noise alike in all directions, as its theory has it: what the lower end of the spectrum is compared with.</summary>
    public BatchSizeLaw Isotropic => new(Largest.Value, Smallest.Value, Noise.Isotropic.Value, Samples);

    /// <summary>The law with the noise that meets the sharpest direction: for the largest eigenvalue. Of the smallest it says nothing.</summary>
    public BatchSizeLaw Directional => new(Largest.Value, Smallest.Value, Noise.Transverse!.Value, Samples);

    /// <summary>
    /// The smallest batch size measured from which on the largest eigenvalues are within <paramref name="share"/> of a law's (or two standard errors, where that is more); null where not even the
    /// largest batch's is.
    /// </summary>
    /// <param name="law">One of the two.</param>
    /// <param name="share">The difference allowed, as a share of the measured eigenvalue.</param>
    public int? HoldsFrom(BatchSizeLaw law, double share = 0.2)
    {
        ArgumentNullException.ThrowIfNull(law);
        int? from = null;
        foreach (BatchEigenvalues size in Measured.Reverse())
        {
            Estimate largest = size.Largest;
            double error = double.IsFinite(largest.StandardError) ? 2 * largest.StandardError : 0;
            if (!(Math.Abs(law.LargestAt(size.BatchSize) - largest.Value) <= Math.Max(share * Math.Abs(largest.Value), error)))
            {
                break;
            }

            from = size.BatchSize;
        }

        return from;
    }
}

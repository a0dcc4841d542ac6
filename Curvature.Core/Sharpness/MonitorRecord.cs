using Curvature.Estimators;
using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>What a <see cref="SharpnessMonitor"/> saw at one step; a quantity that was not asked for, or was not finite, is absent.</summary>
/// <param name="Step">The training step, as the caller counts them.</param>
public sealed record MonitorRecord(long Step)
{
    /// <summary>The objective's value.</summary>
    public double? Loss { get; init; }

    /// <summary>Norm of its gradient.</summary>
    public double? GradientNorm { get; init; }

    /// <summary>lambda_max of the Hessian with its residual.</summary>
    public Eigenvalue? Sharpness { get; init; }

    /// <summary>Trace of the Hessian; of one probe the error is unknown.</summary>
    public Estimate? Trace { get; init; }

    /// <summary>Curvature of batches along their own gradients.</summary>
    public Estimate? BatchSharpness { get; init; }

    /// <summary><c>|g^T u| / |g|</c>, u the eigenvector of lambda_max: 1 where the gradient lies along the sharpest direction; of a random direction about <c>sqrt(2 / (pi P))</c>.</summary>
    public double? Alignment { get; init; }

    /// <summary>The learning rate, where the monitor was told.</summary>
    public double? LearningRate { get; init; }

    /// <summary>The sharpness at which the optimizer would be at the edge of stability with that rate, e.g. <c>2 / eta</c>.</summary>
    public double? CriticalSharpness { get; init; }

    /// <summary>Hessian products spent.</summary>
    public int Products { get; init; }

    /// <summary>Seconds this observation took.</summary>
    public double Seconds { get; init; }

    /// <summary>Seconds of all observations so far, this one included, as a share of the seconds of training so far.</summary>
    public double Overhead { get; init; }

    /// <summary>Why something is missing, where something was not finite.</summary>
    public string? Problem { get; init; }
}

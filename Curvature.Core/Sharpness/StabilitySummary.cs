using Curvature.Estimators;
using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>What a learning rate, a momentum and a batch size mean at a checkpoint. <see cref="StabilityStudy"/> measures it.</summary>
public sealed record StabilitySummary
{
    /// <summary>What is used.</summary>
    public required OptimizerSetting Setting { get; init; }

    /// <summary>lambda_max of the Hessian.</summary>
    public required Eigenvalue Sharpness { get; init; }

    /// <summary>lambda_max of <c>P^{-1} H</c> for an adaptive rule, P from the squared gradients at the checkpoint.</summary>
    public Eigenvalue? PreconditionedSharpness { get; init; }

    /// <summary>Trace of the Hessian, where the noise was asked about.</summary>
    public Estimate? Trace { get; init; }

    /// <summary>What the samples' Hessians differ by, where a batch size was given that is below the number of samples.</summary>
    public HessianNoise? Noise { get; init; }

    /// <summary>The curvature of batches along their own gradients, likewise.</summary>
    public BatchSharpness? BatchSharpness { get; init; }

    /// <summary>Samples that a batch is drawn from.</summary>
    public required long Samples { get; init; }

    /// <summary>Size of the Hessian.</summary>
    public required long Parameters { get; init; }

    /// <summary>Hessian products spent, counted in passes over the samples.</summary>
    public double Products { get; init; }

    /// <summary>The eigenvalue that the rule's limit is about.</summary>
    public Eigenvalue Relevant => PreconditionedSharpness ?? Sharpness;

    /// <summary>The largest rate at which the rule is stable with full batches.</summary>
    public double Limit => Bound(Setting.Rule, Setting.Momentum);

    /// <summary>eta over <see cref="Limit"/>: above 1 the sharpest direction grows from step to step; null without a learning rate.</summary>
    public double? Ratio => Setting.LearningRate / Limit;

    /// <summary>The eigenvalue at which the learning rate would be at the limit: <c>2 / eta</c> for gradient descent; null without a learning rate.</summary>
    public double? CriticalSharpness => Setting.LearningRate is { } rate ? Setting.Rule.Limit(1, Setting.Momentum) / rate : null;

    /// <summary>
    /// Limits by rule, then those that noise sets. With momentum beta the noise adds up over <c>1 / (1 - beta)</c> steps, the curvature itself does not: with <c>eta_1 = c / lambda</c> the rule's limit with full batches
    /// (c is <c>2 + 2 beta</c> for momentum) and V the variance of the curvature, <c>1 / eta = 1 / eta_1 + V / (2 (1 - beta) lambda)</c>. Along one direction that is exactly where the mean square of momentum's
    /// distance ceases to shrink; with Nesterov's it holds where either part is small. The batch sharpness is what <c>2 / eta</c> is compared with, and has no limit with momentum.
    /// </summary>
    public IReadOnlyList<StabilityLimit> Limits => [.. Rules(), .. NoiseLimits()];

    /// <summary>The lowest limit that noise sets, where it was measured.</summary>
    public StabilityLimit? NoiseLimit => NoiseLimits().Where(limit => double.IsFinite(limit.Rate)).MinBy(limit => limit.Rate);

    private double Bound(UpdateRule rule, double momentum)
    {
        double lambda = (rule.IsAdaptive ? PreconditionedSharpness ?? Sharpness : Sharpness).Value;
        return double.IsNaN(lambda) ? double.NaN : rule.Limit(lambda, momentum);
    }

    private IEnumerable<StabilityLimit> Rules()
    {
        double beta = Setting.Rule.IsAdaptive || Setting.Momentum == 0 ? 0.9 : Setting.Momentum;
        UpdateRule sgd = KnownUpdateRules.Named("sgd"), nesterov = KnownUpdateRules.Named("nesterov");
        yield return new("gradient descent", "2 / λ", Bound(sgd, 0));
        yield return new(FormattableString.Invariant($"momentum {beta:G4}"), "(2 + 2β) / λ", Bound(sgd, beta));
        yield return new(FormattableString.Invariant($"Nesterov's momentum {beta:G4}"), "(2 + 2β) / ((1 + 2β) λ)", Bound(nesterov, beta));
        if (PreconditionedSharpness is not null && Setting.Rule.IsAdaptive)
        {
            string condition = Setting.Rule.Name == "rmsprop" ? "(2 + 2β) / λ of P⁻¹H" : "(2 + 2β) / ((1 − β) λ) of P⁻¹H";
            yield return new(FormattableString.Invariant($"{Setting.Rule.Title}, β {Setting.Momentum:G4}"), condition, Limit);
        }
    }

    private IEnumerable<StabilityLimit> NoiseLimits()
    {
        if (Setting.BatchSize is not { } batch || Setting.Rule.IsAdaptive)
        {
            yield break;
        }

        // The rule's limit at lambda = 1 with full batches, and what noise has in place of 2 there.
        double full = Setting.Rule.Limit(1, Setting.Momentum), noisy = 2 * (1 - Setting.Momentum), lambda = Sharpness.Value;
        bool plain = Setting.Momentum == 0;
        string rule = plain ? $"SGD, batches of {batch}" : FormattableString.Invariant($"SGD, batches of {batch}, momentum {Setting.Momentum:G4}");
        if (plain && BatchSharpness?.MeanOfRatios is { Value: > 0 } along)
        {
            yield return new(rule, "2 / batch sharpness", 2 / along.Value, 2 * along.StandardError / (along.Value * along.Value), true);
        }

        double part = Math.Max(0, (1.0 / batch) - (1.0 / Samples));
        if (Noise?.Along is { } variance && lambda > 0)
        {
            // M = u u^T in SgdThreshold's condition.
            double spread = Math.Max(0, variance.Value) * part / lambda;
            yield return new(rule, plain ? "2 / (λ + Var uᵀH_B u / λ)" : "1 / (1 / η₁ + Var uᵀH_B u / (2 (1 − β) λ))", 1 / ((lambda / full) + (spread / noisy)), 0, true);
        }

        if (Noise is { Isotropic: var isotropic } && Trace is { Value: > 0 } trace)
        {
            // M = I, with lambda_max^2 for |H|_F^2, which is no smaller: no smaller than the condition's own limit would be.
            double spread = Parameters * Math.Max(0, isotropic.Value) * part / trace.Value;
            string condition = plain ? "2 tr H / E|H_B|²" : "1 / (λ / (η₁ tr H) + E|H_B − H|² / (2 (1 − β) tr H))";
            yield return new(rule, condition, 1 / ((lambda * lambda / trace.Value / full) + (spread / noisy)), 0, true);
        }
    }
}

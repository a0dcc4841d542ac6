namespace Curvature.Estimators;

/// <summary>How much work a measurement is: samples looked at, and products by what they are for; 0 for what is not asked.</summary>
/// <param name="Samples">Samples in each product.</param>
/// <param name="Probes">Products of the trace, <see cref="HutchinsonTrace.ProbesPerPass"/> in one pass.</param>
/// <param name="EigenProducts">Products of the eigenvalue solver, one pass each.</param>
/// <param name="Steps">Lanczos steps of the density, one pass each.</param>
/// <param name="Runs">Start vectors of the density, advanced together.</param>
public sealed record WorkPlan(long Samples, int Probes, int EigenProducts, int Steps, int Runs)
{
    /// <summary>Matrix-vector products in all.</summary>
    public int Products => Probes + EigenProducts + (Steps * Runs);

    /// <summary>Seconds the plan takes.</summary>
    public double Seconds(ProductCost cost) =>
        TraceSeconds(cost, Probes)
        + cost.Seconds(Samples, EigenProducts, EigenProducts)
        + DensitySeconds(cost);

    /// <summary>Seconds that a trace with a number of probes takes, at what quadratic forms cost where that is told apart.</summary>
    public double TraceSeconds(ProductCost cost, int probes) =>
        cost.SecondsOfForms(Samples, (int)Math.Ceiling((double)probes / HutchinsonTrace.ProbesPerPass), probes);

    /// <summary>Seconds that the density takes.</summary>
    public double DensitySeconds(ProductCost cost) => cost.Seconds(Samples, Steps, Steps * Runs);

    /// <summary>The plan a share <paramref name="t"/> of the way from this one to <paramref name="other"/>, every number rounded down.</summary>
    public WorkPlan Towards(WorkPlan other, double t) => new(
        (long)(Samples + (t * (other.Samples - Samples))),
        (int)(Probes + (t * (other.Probes - Probes))),
        (int)(EigenProducts + (t * (other.EigenProducts - EigenProducts))),
        (int)(Steps + (t * (other.Steps - Steps))),
        (int)(Runs + (t * (other.Runs - Runs))));

    /// <summary>The plan with fewer runs, and then fewer steps, of a density whose Krylov vectors would number more than <paramref name="vectors"/>.</summary>
    public WorkPlan WithinMemory(long vectors)
    {
        if ((long)Steps * Runs <= vectors)
        {
            return this;
        }

        int runs = (int)Math.Max(1, vectors / Steps);
        return this with { Runs = runs, Steps = (int)Math.Clamp(vectors / runs, 1, Steps) };
    }

    /// <summary>What this plan leaves out of <paramref name="wanted"/>, one phrase each: "4,480 of 60,000 samples".</summary>
    public IReadOnlyList<string> CutsFrom(WorkPlan wanted)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        (long Kept, long Wanted, string Unit)[] parts =
        [
            (Samples, wanted.Samples, "samples"),
            (Probes, wanted.Probes, "probes"),
            (EigenProducts, wanted.EigenProducts, "products for eigenvalues"),
            (Steps, wanted.Steps, "steps"),
            (Runs, wanted.Runs, "runs"),
        ];
        return
        [
            .. parts
                .Where(part => part.Kept < part.Wanted)
                .Select(part => FormattableString.Invariant($"{part.Kept:N0} of {part.Wanted:N0} {part.Unit}")),
        ];
    }
}

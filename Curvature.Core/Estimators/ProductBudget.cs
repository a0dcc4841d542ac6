using Curvature.Objectives;
using Curvature.Tensors;

namespace Curvature.Estimators;

/// <summary>
/// Fits a measurement into a time. What costs least in accuracy goes first: samples down to <see cref="ManySamples"/>, then runs of the
/// density (in P dimensions one run already averages over P directions; two are kept, without which there is no standard error), then samples
/// down to <see cref="FewSamples"/>, and only then steps, probes and eigenvalue products.
/// </summary>
public static class ProductBudget
{
    /// <summary>Share of the time that a plan may fill: the rest is for reading, writing and a busy machine.</summary>
    public const double Fill = 0.8;

    private const long ManySamples = 5000, FewSamples = 500;
    private const int FewProbes = 8, FewEigenProducts = 30, FewSteps = 20, FewRuns = 2;

    /// <summary>The largest plan that fits, found between the rungs of what may be given up.</summary>
    /// <param name="wanted">The plan without a limit.</param>
    /// <param name="cost">Measured cost of a product.</param>
    /// <param name="seconds">Time for everything.</param>
    /// <param name="samplesFixed">The caller chose the number of samples: it is not cut.</param>
    /// <returns>
    /// A plan that takes at most <see cref="Fill"/> of <paramref name="seconds"/>, or the smallest sensible one where none does.
    /// </returns>
    public static WorkPlan Fit(WorkPlan wanted, ProductCost cost, double seconds, bool samplesFixed)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        WorkPlan above = wanted;
        foreach (WorkPlan rung in Rungs(wanted, samplesFixed))
        {
            if (rung.Seconds(cost) <= Fill * seconds)
            {
                return Between(above, rung, cost, Fill * seconds);
            }

            above = rung;
        }

        return above;
    }

    /// <summary>
    /// How many vectors of the parameters' length may be kept at once: half of <see cref="FreeBytes"/>. On a GPU that
    /// does not tell there is no limit here and the engine's own error later.
    /// </summary>
    /// <param name="parameters">Whose length, and where they lie.</param>
    /// <param name="ranks">Those who keep as many each; null: this process alone.</param>
    public static int VectorsInMemory(ParameterSpace parameters, IRanks? ranks = null)
    {
        double free = FreeBytes(parameters, ranks);
        return (int)Math.Min(free / 2 / (parameters.Count * parameters.Parameters[0].ElementSize), int.MaxValue);
    }

    /// <summary>Bytes that a rank can still take where the parameters lie: main memory within the container's limit, or what is free of a GPU's, divided by the ranks that share it; infinite on a device that does not tell.</summary>
    /// <param name="parameters">Where they lie.</param>
    /// <param name="ranks">The ranks; null: this process alone.</param>
    public static double FreeBytes(ParameterSpace parameters, IRanks? ranks = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return DeviceMemory.Free(parameters.Device) is { } free ? free / (double)ComputeDevice.Sharers(parameters.Device, ranks?.OnThisMachine ?? 1) : double.PositiveInfinity;
    }

    private static IEnumerable<WorkPlan> Rungs(WorkPlan wanted, bool samplesFixed)
    {
        long Samples(long few) => samplesFixed ? wanted.Samples : Math.Min(wanted.Samples, few);
        yield return wanted;
        yield return wanted with { Samples = Samples(ManySamples) };
        WorkPlan fewRuns = wanted with { Samples = Samples(ManySamples), Runs = Math.Min(wanted.Runs, FewRuns) };
        yield return fewRuns;
        yield return fewRuns with { Samples = Samples(FewSamples) };
        yield return new WorkPlan(
            Samples(FewSamples),
            Math.Min(wanted.Probes, FewProbes),
            Math.Min(wanted.EigenProducts, FewEigenProducts),
            Math.Min(wanted.Steps, FewSteps),
            Math.Min(wanted.Runs, FewRuns));
    }

    /// <summary>The plan nearest to <paramref name="more"/> that fits, by bisection: the time falls all the way to <paramref name="less"/>.</summary>
    private static WorkPlan Between(WorkPlan more, WorkPlan less, ProductCost cost, double seconds)
    {
        (double tooMuch, double fits) = (0, 1);
        for (int i = 0; i < 40; i++)
        {
            double middle = (tooMuch + fits) / 2;
            (tooMuch, fits) = more.Towards(less, middle).Seconds(cost) <= seconds ? (tooMuch, middle) : (middle, fits);
        }

        return more.Towards(less, fits);
    }
}

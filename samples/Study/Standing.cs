using Curvature.Estimators;

namespace Curvature.Samples.Study;

/// <summary>How an optimizer stands on a problem, all its runs made.</summary>
/// <param name="Contender">The optimizer.</param>
/// <param name="Rate">Its best learning rate.</param>
/// <param name="Trials">All rates tried with the training loss at the end, ascending.</param>
/// <param name="Full">The runs of all steps at that rate, a seed each.</param>
/// <param name="Brief">Those of 0.7 of the steps.</param>
/// <param name="StepSeconds">What a step takes.</param>
internal sealed record Standing(Contender Contender, double Rate, IReadOnlyList<(double Rate, double Loss)> Trials, IReadOnlyList<Trial> Full, IReadOnlyList<Trial> Brief, double StepSeconds)
{
    // Quantile of Student's t at 97.5 % for the difference of two means of three.
    private const double Quantile = 2.776;

    public string Name => Contender.Name;

    public bool IsFirstOrder => Contender.Family == Family.FirstOrder;

    /// <summary>Whether the best rate is the highest or lowest tried: a better one may lie beyond.</summary>
    public bool IsAtBorder => Rate == Trials[0].Rate || Rate == Trials[^1].Rate;

    /// <summary>The training loss after all steps.</summary>
    public Estimate Final => Of(Full, trial => trial.Final);

    /// <summary>The training loss after a schedule of 0.7 of the steps.</summary>
    public Estimate BriefFinal => Of(Brief, trial => trial.Final);

    public Estimate TestLoss => Of(Full, trial => trial.TestLoss ?? double.PositiveInfinity);

    public Estimate TestAccuracy => Of(Full, trial => trial.TestAccuracy ?? 0);

    /// <summary>Steps and mean training loss over the seeds.</summary>
    public IReadOnlyList<(double Step, double Loss)> Curve { get; } =
        [.. Enumerable.Range(0, Full[0].Losses.Count).Select(i => ((double)Full[0].StepAt(i), Full.Average(trial => trial.Losses[i] ?? double.PositiveInfinity)))];

    /// <summary>The lowest of the curve.</summary>
    public double Best => Curve.Min(point => point.Loss);

    /// <summary>The step at which the curve first reaches a loss, between evaluations along the logarithm; null if it does not.</summary>
    public double? StepsTo(double loss)
    {
        int at = Curve.ToList().FindIndex(point => point.Loss <= loss);
        if (at <= 0)
        {
            return at < 0 ? null : 0;
        }

        ((double step, double before), (double next, double after)) = (Curve[at - 1], Curve[at]);
        return double.IsFinite(before) ? step + ((next - step) * Math.Log(before / loss) / Math.Log(before / after)) : next;
    }

    /// <summary>-1 below, 1 above, 0 where the difference of two means lies within its 95 % interval.</summary>
    public static int Compare(Estimate a, Estimate b)
    {
        double difference = a.Value - b.Value, error = Math.Sqrt((a.StandardError * a.StandardError) + (b.StandardError * b.StandardError));
        return double.IsNaN(difference) || Math.Abs(difference) <= Quantile * error ? 0 : Math.Sign(difference);
    }

    private static Estimate Of(IReadOnlyList<Trial> trials, Func<Trial, double> value) => Estimate.FromSamples([.. trials.Select(value)], products: 0);
}

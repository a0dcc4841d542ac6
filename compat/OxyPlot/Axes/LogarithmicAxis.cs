namespace OxyPlot.Axes;

/// <summary>An axis to base ten; values that are not positive have no place on it.</summary>
public class LogarithmicAxis : Axis
{
    internal override bool IsValid(double value) => double.IsFinite(value) && value > 0;

    internal override (double[] Labels, double[] Major, double[] Minor) Ticks()
    {
        double decades = Forward(High) - Forward(Low);
        double perDecade = Length / IntervalLength / decades;
        int stride = perDecade < 0.75 ? (int)Math.Pow(2, Math.Ceiling(Math.Log2(1 / perDecade))) : 1;
        int[] labelled = perDecade < 2 ? [1] : perDecade < 3 ? [1, 3] : [1, 2, 5];

        double[] major = [.. Values(labelled, stride)];
        double[] minor = [.. (stride == 1 ? Values([1, 2, 3, 4, 5, 6, 7, 8, 9], 1) : Values([1], Math.Max(1, stride / 8))).Except(major)];
        return major.Length > 1 ? (major, major, minor) : ([Low, High], [Low, High], minor);
    }

    private protected override double Forward(double value) => Math.Log10(value);

    /// <summary>Whole decades around the data.</summary>
    private protected override (double Low, double High) DataRange()
    {
        if (DataLow > DataHigh)
        {
            return (1, 100);
        }

        double low = Math.Floor(Forward(DataLow)), high = Math.Ceiling(Forward(DataHigh));
        return (Math.Pow(10, low), Math.Pow(10, Math.Max(high, low + 1)));
    }

    private IEnumerable<double> Values(int[] mantissas, int stride)
    {
        const double Slack = 1e-9;
        int first = (int)Math.Floor(Forward(Low) + Slack), last = (int)Math.Floor(Forward(High) + Slack);
        return from exponent in Enumerable.Range(first, last - first + 1)
               where exponent % stride == 0
               from mantissa in mantissas
               let value = mantissa * Math.Pow(10, exponent)
               where value >= Low * (1 - Slack) && value <= High * (1 + Slack)
               select value;
    }
}

namespace OxyPlot.Axes;

/// <summary>An axis with equal steps, at multiples of 1, 2 or 5 times a power of ten.</summary>
public class LinearAxis : Axis
{
    private const double Padding = 0.01;

    internal override (double[] Labels, double[] Major, double[] Minor) Ticks()
    {
        double step = double.IsNaN(MajorStep) ? NiceStep((High - Low) / Math.Max(2, Length / IntervalLength)) : MajorStep;
        double[] major = Multiples(step);
        double minorStep = step / (Mantissa(step) == 2 ? 4 : 5);
        return (major, major, [.. Multiples(minorStep).Where(x => Math.Abs(Math.IEEERemainder(x, step)) > step * 1e-3)]);
    }

    /// <summary>The smallest of 1, 2, 5 times a power of ten that is no less than <paramref name="least"/>.</summary>
    internal static double NiceStep(double least)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(least)));
        return (least / power) switch { <= 1.0000001 => power, <= 2.0000001 => 2 * power, <= 5.0000001 => 5 * power, _ => 10 * power };
    }

    private protected override (double Low, double High) DataRange()
    {
        if (DataLow > DataHigh)
        {
            return (0, 100);
        }

        double range = DataHigh - DataLow;
        if (range == 0)
        {
            double half = DataHigh == 0 ? 0.5 : 0.5 * Math.Abs(DataHigh);
            return (DataLow - half, DataHigh + half);
        }

        return (DataLow - (Padding * range), DataHigh + (Padding * range));
    }

    private static int Mantissa(double step) => (int)Math.Round(step / Math.Pow(10, Math.Floor(Math.Log10(step) + 1e-9)));

    private double[] Multiples(double step)
    {
        const int Most = 1000;
        double first = Math.Ceiling((Low / step) - 1e-3), last = Math.Floor((High / step) + 1e-3);
        return last - first > Most ? [] : [.. Enumerable.Range(0, (int)(last - first) + 1).Select(i => (first + i) * step)];
    }
}

namespace Curvature.Quant.Planning;

/// <summary>
/// Prices of the costs and the bound they give: <c>L(lambda) = sum_u min_c (o_uc + lambda . w_uc) - lambda . W</c> is at most the objective of every plan within the limits W, for
/// any <c>lambda &gt;= 0</c>; the largest such bound is that of the linear relaxation. L is concave, and the choices that make its minima give a supergradient, <c>w(x) - W</c>: the ellipsoid
/// method (Shor 1977) closes in on the best prices, in some hundreds of sums over all choices. A price that is a little off costs tightness, never correctness.
/// </summary>
internal sealed class LagrangianDual
{
    private const double Headroom = 100; // prices may exceed the steepest trade of a single unit where costs rise against each other
    private const double Digits = 1e-13;
    private const int MostSteps = 3000;

    private readonly ChoiceTable _table;
    private readonly double[] _scale;

    private LagrangianDual(ChoiceTable table) => (_table, _scale) = (table, [.. Enumerable.Range(0, table.Costs).Select(k => Steepest(table, k) * Headroom)]);

    /// <summary>The best prices found.</summary>
    public static double[] Prices(ChoiceTable table) => new LagrangianDual(table).Maximise();

    /// <summary><c>o + lambda . w</c> of one choice.</summary>
    public static double Priced(ChoiceTable table, int unit, int choice, double[] prices)
    {
        double sum = table.Objective[unit][choice];
        for (int k = 0; k < prices.Length; k++)
        {
            sum += prices[k] * table.Cost[unit][(choice * prices.Length) + k];
        }

        return sum;
    }

    private double[] Maximise()
    {
        int n = _table.Costs;
        double[] centre = [.. Enumerable.Repeat(0.5, n)], best = new double[n], slope = new double[n]; // in shares of the scales
        double[,] shape = new double[n, n];
        for (int k = 0; k < n; k++)
        {
            shape[k, k] = 0.5 * Math.Sqrt(n); // the ball around the unit cube
        }

        double found = Value(best, slope);
        double size = _table.Objective.Sum(objective => objective.Max(Math.Abs));
        for (int step = 0; step < MostSteps; step++)
        {
            int negative = Array.FindIndex(centre, price => price < 0);
            if (negative >= 0)
            {
                Array.Clear(slope);
                slope[negative] = 1;
            }
            else if (Value(centre, slope) is var value && value > found)
            {
                (found, best) = (value, [.. centre]);
            }

            double width = Cut(centre, shape, slope);
            if (width == 0 || (negative < 0 && width <= Digits * size)) // the most that L can still rise
            {
                break;
            }
        }

        return [.. best.Zip(_scale, (share, scale) => share * scale)];
    }

    /// <summary>L and a supergradient.</summary>
    private double Value(double[] shares, double[] slope)
    {
        double[] prices = [.. shares.Zip(_scale, (share, scale) => share * scale)];
        double value = 0;
        for (int k = 0; k < slope.Length; k++)
        {
            value -= prices[k] * _table.Limit[k];
            slope[k] = -_table.Limit[k];
        }

        for (int u = 0; u < _table.Units; u++)
        {
            (double Sum, int Choice) least = (double.PositiveInfinity, 0);
            for (int c = 0; c < _table.Objective[u].Length; c++)
            {
                double sum = Priced(_table, u, c, prices);
                least = sum < least.Sum ? (sum, c) : least;
            }

            value += least.Sum;
            for (int k = 0; k < slope.Length; k++)
            {
                slope[k] += _table.Cost[u][(least.Choice * slope.Length) + k];
            }
        }

        for (int k = 0; k < slope.Length; k++)
        {
            slope[k] *= _scale[k];
        }

        return value;
    }

    /// <summary>
    /// From the ellipsoid <c>c + B |.| &lt;= 1</c> to the smallest around its half in which the slope g goes up:
    /// <c>c' = c + B u / (n + 1)</c>, <c>B' = n / sqrt(n^2 - 1) B (I - (1 - sqrt((n - 1) / (n + 1))) u u')</c> with <c>u = B'g / |B'g|</c>; in one dimension, halving.
    /// The factor B, unlike <c>B B'</c>, stays one however long it goes.
    /// </summary>
    /// <returns><c>|B'g|</c>, how far the linear function of that slope rises from the centre to the edge.</returns>
    private static double Cut(double[] centre, double[,] shape, double[] slope)
    {
        int n = centre.Length;
        double[] u = new double[n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                u[j] += shape[i, j] * slope[i];
            }
        }

        double width = Math.Sqrt(u.Sum(x => x * x));
        double grow = n == 1 ? 0.5 : n / Math.Sqrt((n * n) - 1.0), shrink = n == 1 ? 0 : 1 - Math.Sqrt((n - 1.0) / (n + 1.0));
        for (int i = 0; i < n && width > 0; i++)
        {
            double step = 0;
            for (int j = 0; j < n; j++)
            {
                step += shape[i, j] * u[j] / width;
            }

            centre[i] += step / (n + 1);
            for (int j = 0; j < n; j++)
            {
                shape[i, j] = grow * (shape[i, j] - (shrink * step * u[j] / width));
            }
        }

        return width;
    }

    /// <summary>The most objective that one unit gives up for one unit of cost k.</summary>
    private static double Steepest(ChoiceTable table, int k)
    {
        double steepest = 0;
        for (int u = 0; u < table.Units; u++)
        {
            double[] o = table.Objective[u], w = table.Cost[u];
            for (int a = 0; a < o.Length; a++)
            {
                for (int b = 0; b < o.Length; b++)
                {
                    double saved = w[(a * table.Costs) + k] - w[(b * table.Costs) + k];
                    steepest = saved > 0 ? Math.Max(steepest, (o[b] - o[a]) / saved) : steepest;
                }
            }
        }

        return steepest;
    }
}

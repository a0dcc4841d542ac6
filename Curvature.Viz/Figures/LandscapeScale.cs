namespace Curvature.Viz.Figures;

/// <summary>Heights for a landscape: a logarithmic scale where losses are positive and far apart, else a linear one, and round numbers on it.</summary>
public sealed class LandscapeScale
{
    private const double FarApart = 20;
    private const int Most = 10;

    /// <param name="losses">Those that are not finite do not count.</param>
    /// <param name="scale">Which scale, where both are possible; null: by the losses.</param>
    public LandscapeScale(IEnumerable<double> losses, FigureScale? scale = null)
    {
        double[] finite = [.. losses.Where(double.IsFinite)];
        (Low, High) = finite.Length == 0 ? (0, 1) : (finite.Min(), finite.Max());
        High = High > Low ? High : Low + Math.Max(1e-12, Math.Abs(Low) * 1e-6);
        IsLogarithmic = HasBoth && (scale is { } asked ? asked == FigureScale.Logarithmic : High / Low > FarApart);
    }

    /// <summary>The smallest loss.</summary>
    public double Low { get; }

    /// <summary>The largest.</summary>
    public double High { get; }

    /// <summary>Whether the losses can be drawn on either scale: all are positive.</summary>
    public bool HasBoth => Low > 0;

    /// <summary>The scale drawn; null where there is only the linear one.</summary>
    public FigureScale? Drawn => !HasBoth ? null : IsLogarithmic ? FigureScale.Logarithmic : FigureScale.Linear;

    /// <summary>The other one.</summary>
    public FigureScale Other => IsLogarithmic ? FigureScale.Linear : FigureScale.Logarithmic;

    /// <summary>Whether heights are drawn by their logarithms.</summary>
    public bool IsLogarithmic { get; }

    /// <summary>A height as it is drawn.</summary>
    public double Of(double loss) => IsLogarithmic ? Math.Log(loss) : loss;

    /// <summary>Where a height lies between the lowest, 0, and the highest, 1.</summary>
    public double Share(double loss) => (Of(loss) - Of(Low)) / (Of(High) - Of(Low));

    /// <summary>At most ten round heights between the ends.</summary>
    public IReadOnlyList<double> Levels()
    {
        IEnumerable<double[]> choices = IsLogarithmic ? ((double[][])[[1, 2, 5], [1, 3], [1]]).Select(Decades) : Enumerable.Range(-1, 4).Select(Linear);
        double[][] all = [.. choices];
        return all.FirstOrDefault(levels => levels.Length <= Most) ?? [.. all[^1].Where((_, i) => i % ((all[^1].Length / Most) + 1) == 0)];
    }

    private double[] Decades(double[] mantissas) => [.. Enumerable
        .Range((int)Math.Floor(Math.Log10(Low)), (int)Math.Ceiling(Math.Log10(High / Low)) + 2)
        .SelectMany(exponent => mantissas.Select(mantissa => mantissa * Math.Pow(10, exponent)))
        .Where(level => level > Low && level < High)];

    private double[] Linear(int coarseness)
    {
        double rough = (High - Low) / Most, power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double[] steps = [1, 2, 5, 10, 20];
        double step = power * steps[coarseness + 1];
        return [.. Enumerable.Range(0, 10 * Most).Select(k => (Math.Floor(Low / step) + k) * step).Where(level => level > Low && level < High)];
    }
}

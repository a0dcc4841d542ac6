namespace OxyPlot.Axes;

/// <summary>An axis of names at 0, 1, 2 ...</summary>
public class CategoryAxis : LinearAxis
{
    public CategoryAxis()
    {
        Position = AxisPosition.Bottom;
        MajorStep = 1;
    }

    public List<string> Labels { get; } = [];

    /// <summary>Gap between the bars of neighbouring names, in units of the bars of one name.</summary>
    public double GapWidth { get; set; } = 1;

    internal override (double[] Labels, double[] Major, double[] Minor) Ticks()
    {
        double[] names = [.. Enumerable.Range(0, Labels.Count).Select(i => (double)i).Where(i => i >= Low && i <= High)];
        return (names, [.. names.Select(i => i - 0.5)], []);
    }

    internal override string Format(double value) => Labels[(int)value];

    private protected override (double Low, double High) DataRange() => (-0.5, Math.Max(Labels.Count, 1) - 0.5);
}

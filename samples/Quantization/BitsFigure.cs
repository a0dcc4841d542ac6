using Curvature.Viz.Figures;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Samples.Quantization;

/// <summary>Bits that plans give each layer at the size of 3 bits throughout, the mean over the seeds.</summary>
internal sealed class BitsFigure(NetworkReport report) : PlotFigure
{
    /// <summary>The plans that are drawn.</summary>
    public static PlanKind Kind { get; } = new(WeightGrid.All[0].Name, EndsAt8: false, AverageBits: 3);

    /// <summary>Whose.</summary>
    public static IReadOnlyList<string> Methods { get; } = ["hessian", "kfac", "measured", "error"];

    public override string Name => $"quantization-{report.Network.Name}-bits";

    public override string Title => $"{report.Network.Title}: bits of each layer at the size of {Kind.AverageBits} bits";

    public override string Description => string.Join(' ', Methods.Select(method => $"{method}: {string.Join(", ", report.Network.Layers.Select(layer => $"{layer.Name} {NumberText.Of(Bits(method, layer.Name), 2)}"))}."));

    public override double Width => 640;

    public override double Height => 90 + (24 * report.Network.Layers.Count);

    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        IReadOnlyList<(string Name, long Weights)> layers = report.Network.Layers;
        var names = new CategoryAxis { Position = AxisPosition.Left, StartPosition = 1, EndPosition = 0, TickStyle = TickStyle.None };
        names.Labels.AddRange(layers.Select(layer => layer.Name));
        model.Axes.Add(Styled(names, theme, gridlines: false));
        model.Axes.Add(Styled(new LinearAxis { Position = AxisPosition.Bottom, Title = "bits, mean over the seeds", Minimum = 1.7, Maximum = 8.3, MajorStep = 1 }, theme, gridlines: true));
        (MarkerType, OxyColor)[] looks = [(MarkerType.Circle, theme.Measured), (MarkerType.Square, OxyColor.FromRgb(0x00, 0x9E, 0x73)), (MarkerType.Diamond, theme.Exact), (MarkerType.Circle, theme.Axis)];
        foreach ((string method, (MarkerType marker, OxyColor colour), int place) in Methods.Select((method, i) => (method, looks[i], i)))
        {
            var series = new ScatterSeries { Title = method, MarkerType = marker, MarkerSize = 3.6, MarkerFill = colour, MarkerStrokeThickness = 0 };
            series.Points.AddRange(layers.Select((layer, l) => new ScatterPoint(Bits(method, layer.Name), l + (0.18 * (place - 1.5)))));
            model.Series.Add(series);
        }

        return model;
    }

    private double Bits(string method, string layer) => report.Plans(Kind, method).Average(plan => plan.Bits[layer]);
}

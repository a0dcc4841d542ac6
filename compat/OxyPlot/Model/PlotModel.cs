using System.Globalization;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Legends;

namespace OxyPlot;

/// <summary>What can be exported.</summary>
public interface IPlotModel
{
    OxyColor Background { get; }
}

/// <summary>The root of a plot's parts.</summary>
public abstract class Model;

/// <summary>A plot: axes, series, annotations and legends, drawn by <see cref="SvgExporter"/>.</summary>
public class PlotModel : Model, IPlotModel
{
    private static readonly OxyColor[] DefaultColors =
    [
        OxyColor.FromRgb(0x4E, 0x9A, 0x06),
        OxyColor.FromRgb(0xC8, 0x8D, 0x00),
        OxyColor.FromRgb(0xCC, 0x00, 0x00),
        OxyColor.FromRgb(0x20, 0x4A, 0x87),
    ];

    private Exception? lastException;
    private int colorsTaken;

    public PlotModel()
    {
        Axes = new(this);
        Series = new(this);
        Annotations = new(this);
        Legends = new(this);
    }

    public ElementCollection<Axis> Axes { get; }
    public ElementCollection<Series.Series> Series { get; }
    public ElementCollection<Annotation> Annotations { get; }
    public ElementCollection<LegendBase> Legends { get; set; }
    public string DefaultFont { get; set; } = "Segoe UI";
    public double DefaultFontSize { get; set; } = 12;
    public OxyColor TextColor { get; set; } = OxyColors.Black;
    public OxyColor Background { get; set; } = OxyColors.Undefined;
    public OxyColor PlotAreaBorderColor { get; set; } = OxyColors.Black;
    public OxyThickness PlotAreaBorderThickness { get; set; } = new(1);
    public OxyThickness Padding { get; set; } = new(8);

    /// <summary>Culture of the numbers on the axes; the thread's where none is given.</summary>
    public CultureInfo? Culture { get; set; }
    internal CultureInfo ActualCulture => Culture ?? CultureInfo.CurrentCulture;
    internal OxyRect PlotArea { get; private set; }

    /// <summary>The error that replaced the picture, if any: drawing does not throw.</summary>
    public Exception? GetLastPlotException() => lastException;

    internal OxyColor NextColor() => DefaultColors[colorsTaken++ % DefaultColors.Length];

    internal Axis FindAxis(bool horizontal) => Axes.FirstOrDefault(axis => axis.IsHorizontal == horizontal)
        ?? throw new InvalidOperationException($"The plot has no {(horizontal ? "horizontal" : "vertical")} axis.");

    internal void Render(Canvas canvas, OxyRect bounds)
    {
        lastException = null;
        colorsTaken = 0;
        try
        {
            Update();
            Arrange(canvas, bounds);
            Draw(canvas);
        }
        catch (Exception e)
        {
            lastException = e;
            canvas.Text(new(10, 10), $"OxyPlot exception: {e.Message}", TextColor, DefaultFontSize, vertical: VerticalAlignment.Top);
        }
    }

    private void Update()
    {
        foreach (Axis axis in Axes)
        {
            axis.ResetData();
        }

        foreach (Series.Series series in Series)
        {
            series.Update();
        }

        foreach (Axis axis in Axes)
        {
            axis.UpdateRange();
        }
    }

    /// <summary>Finds margins in which the labels fit: they depend on the ticks, which depend on the margins.</summary>
    private void Arrange(Canvas canvas, OxyRect bounds)
    {
        OxyRect area = bounds.Deflate(Padding);
        foreach (LegendBase legend in Legends)
        {
            area = legend.TakeSpace(canvas, area);
        }

        PlotArea = area;
        for (int i = 0; i < 4; i++)
        {
            double left = 0, top = 0, right = 0, bottom = 0;
            foreach (Axis axis in Axes)
            {
                axis.UpdateTransform(PlotArea);
                OxyThickness margin = axis.Measure(canvas);
                left = Math.Max(left, margin.Left);
                top = Math.Max(top, margin.Top);
                right = Math.Max(right, margin.Right);
                bottom = Math.Max(bottom, margin.Bottom);
            }

            PlotArea = area.Deflate(new(left, top, right, bottom));
        }

        foreach (Axis axis in Axes)
        {
            axis.UpdateTransform(PlotArea);
        }
    }

    private void Draw(Canvas canvas)
    {
        foreach (Axis axis in Axes)
        {
            axis.RenderGrid(canvas);
        }

        DrawAnnotations(canvas, AnnotationLayer.BelowSeries);
        canvas.BeginClip(PlotArea);
        foreach (Series.Series series in Series)
        {
            series.Render(canvas);
        }

        canvas.EndClip();
        DrawAnnotations(canvas, AnnotationLayer.AboveSeries);
        DrawBorder(canvas);
        foreach (Axis axis in Axes)
        {
            axis.RenderLabels(canvas);
        }

        foreach (LegendBase legend in Legends)
        {
            legend.Render(canvas);
        }
    }

    private void DrawAnnotations(Canvas canvas, AnnotationLayer layer)
    {
        foreach (Annotation annotation in Annotations.Where(annotation => annotation.Layer == layer))
        {
            annotation.Render(canvas);
        }
    }

    private void DrawBorder(Canvas canvas)
    {
        ScreenPoint topLeft = new(PlotArea.Left, PlotArea.Top), topRight = new(PlotArea.Right, PlotArea.Top);
        ScreenPoint bottomLeft = new(PlotArea.Left, PlotArea.Bottom), bottomRight = new(PlotArea.Right, PlotArea.Bottom);
        canvas.Line([topLeft, bottomLeft], PlotAreaBorderColor, PlotAreaBorderThickness.Left);
        canvas.Line([topLeft, topRight], PlotAreaBorderColor, PlotAreaBorderThickness.Top);
        canvas.Line([topRight, bottomRight], PlotAreaBorderColor, PlotAreaBorderThickness.Right);
        canvas.Line([bottomLeft, bottomRight], PlotAreaBorderColor, PlotAreaBorderThickness.Bottom);
    }
}

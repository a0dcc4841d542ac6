namespace OxyPlot.Series;

/// <summary>Data drawn in a plot.</summary>
public abstract class Series : PlotElement
{
    /// <summary>Name in the legend; without one the series is not in it.</summary>
    public string? Title { get; set; }

    /// <summary>Tells the axes what to cover.</summary>
    internal abstract void Update();

    internal abstract void Render(Canvas canvas);

    /// <summary>Draws the sample in the legend.</summary>
    internal abstract void RenderLegend(Canvas canvas, OxyRect box);
}

/// <summary>A series of items.</summary>
public abstract class ItemsSeries : Series;

/// <summary>A series on the plot's horizontal and vertical axes.</summary>
public abstract class XYAxisSeries : ItemsSeries
{
    private protected Axes.Axis X { get; private set; } = null!;
    private protected Axes.Axis Y { get; private set; } = null!;

    internal override void Update()
    {
        X = PlotModel.FindAxis(horizontal: true);
        Y = PlotModel.FindAxis(horizontal: false);
    }

    private protected void Include(double x, double y)
    {
        if (X.IsValid(x) && Y.IsValid(y))
        {
            X.Include(x);
            Y.Include(y);
        }
    }

    private protected ScreenPoint Transform(double x, double y) => new(X.Transform(x), Y.Transform(y));
}

/// <summary>A series of points.</summary>
public abstract class DataPointSeries : XYAxisSeries
{
    public List<DataPoint> Points { get; } = [];

    internal override void Update()
    {
        base.Update();
        Points.ForEach(point => Include(point.X, point.Y));
    }

    /// <summary>The points in the picture, in stretches between those that have no place on the axes.</summary>
    private protected List<List<ScreenPoint>> Stretches(IEnumerable<DataPoint> points)
    {
        var stretches = new List<List<ScreenPoint>> { new() };
        foreach (DataPoint point in points)
        {
            ScreenPoint at = Transform(point.X, point.Y);
            if (at.IsFinite)
            {
                stretches[^1].Add(at);
            }
            else if (stretches[^1].Count > 0)
            {
                stretches.Add([]);
            }
        }

        return stretches;
    }
}

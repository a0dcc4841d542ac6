using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Report;

/// <summary>A test that converts figures: skipped, with the reason, where rsvg-convert is absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ConverterFactAttribute : FactAttribute
{
    public ConverterFactAttribute()
    {
        try
        {
            new FigureConverter().Check();
        }
        catch (CurvatureException error)
        {
            Skip = error.Message;
        }
    }
}

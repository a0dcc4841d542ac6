using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>Slices of a loss as members of a JSON object.</summary>
public static class LandscapeJson
{
    /// <summary>Lines with their positions and losses, slope and curvature where they were measured or else the barrier, and the plane. Losses that are not finite become <c>null</c>.</summary>
    public static Dictionary<string, object?> Of(LandscapeSummary landscape) => new()
    {
        ["unit"] = landscape.Unit,
        ["curves"] = landscape.Curves.Select(curve => curve.Curve.Quadratic is { } model
            ? new Dictionary<string, object?> { ["name"] = curve.Name, ["positions"] = curve.Curve.Positions, ["losses"] = curve.Curve.Losses, ["slope"] = model.Slope, ["curvature"] = model.Curvature }
            : new Dictionary<string, object?>
            {
                ["name"] = curve.Name,
                ["positions"] = curve.Curve.Positions,
                ["losses"] = curve.Curve.Losses,
                ["barrier"] = double.IsFinite(curve.Curve.Barrier) ? curve.Curve.Barrier : null,
            }),
        ["surface"] = landscape.Surface is { } surface
            ? new Dictionary<string, object?> { ["across"] = surface.Across, ["up"] = surface.Up, ["losses"] = surface.Losses }
            : null,
    };
}

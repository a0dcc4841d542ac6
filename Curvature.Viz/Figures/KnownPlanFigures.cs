using Curvature.Viz.Report;

namespace Curvature.Viz.Figures;

/// <summary>A figure of the catalogue of plans.</summary>
/// <param name="Name">Name of its files.</param>
/// <param name="Summary">What it shows, in one sentence.</param>
/// <param name="Of">Makes it of a plan; null where that lacks the quantity.</param>
public sealed record PlanFigureKind(string Name, string Summary, Func<PlanReport, Figure?> Of);

/// <summary>The catalogue of figures of a plan: a new one is one file and one line here.</summary>
public static class KnownPlanFigures
{
    /// <summary>Every kind, in the order of a page.</summary>
    public static IReadOnlyList<PlanFigureKind> All { get; } =
    [
        new("bits", "Bits of each layer.", report => new BitsFigure(report.Problem.Table, report.Plan)),
        new("plan-quality", "Measured accuracy of the plan, of one width throughout and in floating point.", report => report.Measured is { } measured ? new PlanQualityFigure(measured) : null),
        new(
            "pareto",
            "Objective of the best plan at each cost, the plan, and those it is compared with.",
            report => new ParetoFigure(report.Frontier, report.Plan, report.Others, report.Limits[0].MostOf(report.Problem))),
        new("sensitivities", "Sensitivity of each layer at each width with its error bars.", report => new SensitivityFigure(report.Problem.Table)),
    ];

    /// <summary>The figures that <paramref name="report"/> has the quantities for.</summary>
    public static IReadOnlyList<Figure> Of(PlanReport report) => [.. All.Select(kind => kind.Of(report)).OfType<Figure>()];
}

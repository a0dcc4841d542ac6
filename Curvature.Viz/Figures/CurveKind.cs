namespace Curvature.Viz.Figures;

/// <summary>The part that a curve plays in its picture.</summary>
public enum CurveKind
{
    /// <summary>What was measured.</summary>
    Measured,

    /// <summary>Something else that was measured, beside it.</summary>
    Beside,

    /// <summary>A third.</summary>
    Third,

    /// <summary>A limit that the others are compared with; drawn dashed.</summary>
    Limit,
}

namespace Curvature.Krylov;

/// <summary>Settings that every linear solver has.</summary>
public sealed record LinearSolverOptions
{
    /// <value>See <see cref="IterativeSolver.Tolerance"/>. Default 1e-5.</value>
    public double Tolerance { get; init; } = 1e-5;

    /// <value>See <see cref="IterativeSolver.MaxProducts"/>. Default 1000.</value>
    public int MaxProducts { get; init; } = 1000;
}

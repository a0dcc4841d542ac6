using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// HAWQ-V2 (Dong et al. 2020, eq. 9): <c>tr(H_l) / n_l |Q(W_l) - W_l|^2</c>, the traces by Hutchinson's estimator, all layers from the same products. The same of the Gauss-Newton or the
/// empirical Fisher matrix in place of H. Half of it stands for <c>1/2 e' H e</c> as if the error had no preferred direction. Cost: <see cref="Probes"/> products.
/// </summary>
public sealed record EstimatedTraceSensitivity : ISensitivity
{
    /// <value>The matrix, one of <see cref="KnownOperators.Names"/>. Default <c>hessian</c>.</value>
    public string Matrix { get; init; } = "hessian";

    /// <value>Products to spend; with as many as there are weights the traces are exact. Default 64.</value>
    public int Probes { get; init; } = 64;

    /// <value>Seed of the probes.</value>
    public int Seed { get; init; }

    /// <inheritdoc/>
    public double? IncreaseFactor => 0.5;

    /// <inheritdoc/>
    public LayerTable Measure(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) => problem.Undisturbed(() =>
    {
        using CurvatureOperator matrix = KnownOperators.Create(Matrix, problem.Objective(), new CurvatureOptions { Cancellation = cancellation }, Seed);
        TraceEstimate traces = new HutchinsonTrace { MaxProbes = (int)Math.Min(Probes, matrix.Columns), Seed = Seed }.Estimate(matrix, progress: progress, cancellation: cancellation);
        return problem.Table([.. traces.Layers.Select(layer => (layer.Trace.Value / layer.Parameters, layer.Trace.StandardError / layer.Parameters))]);
    });
}

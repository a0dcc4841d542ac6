using Curvature.Operators;
using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>The squared error of the weight alone, <c>|Q(W_l) - W_l|^2</c>, as if all layers were curved alike: a baseline that sees no data.</summary>
public sealed record ErrorSensitivity : ISensitivity
{
    /// <inheritdoc/>
    public double? IncreaseFactor => null;

    /// <inheritdoc/>
    public LayerTable Measure(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) =>
        problem.Table((layer, l) => layer with { Sensitivity = problem.ByBits(b => problem.Errors.Squares[l, b]) });
}

using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Quant.Planning;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// What each layer adds to the loss to second order: <c>1/2 e' H_ll e</c>, or <c>g . e + 1/2 e' H_ll e</c> with <see cref="WithSlope"/>, exact but for rounding, by one Hessian-vector product a layer and width.
/// <see cref="Model"/> has the terms between layers from the same products.
/// </summary>
public sealed record QuadraticSensitivity : ISensitivity
{
    /// <value>The matrix, one of <see cref="KnownOperators.Names"/>. Default <c>hessian</c>.</value>
    public string Matrix { get; init; } = "hessian";

    /// <value>Whether the gradient counts: to foretell the loss on these samples, yes; elsewhere a trained network's gradient says more about the samples. Default false.</value>
    public bool WithSlope { get; init; }

    /// <inheritdoc/>
    public double? IncreaseFactor => 1;

    /// <inheritdoc/>
    public LayerTable Measure(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) =>
        Table(problem, Model(problem, progress, cancellation));

    /// <summary>What each layer adds alone, as a table of the network's layers.</summary>
    /// <param name="problem">The network.</param>
    /// <param name="model">Of that network and its widths.</param>
    public static LayerTable Table(SensitivityProblem problem, QuadraticModel model)
    {
        LayerTable alone = model.Table();
        return problem.Table((layer, l) => layer with { Sensitivity = alone.Layers[l].Sensitivity });
    }

    /// <summary>The loss to second order for every assignment of widths.</summary>
    /// <param name="problem">Network, data and widths; as it was afterwards.</param>
    /// <param name="progress">Told after each product.</param>
    /// <param name="cancellation">Ends between two layers.</param>
    /// <exception cref="CurvatureException">The network cannot be differentiated twice.</exception>
    public QuadraticModel Model(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) => problem.Undisturbed(() =>
    {
        Objective objective = problem.Objective();
        using CurvatureOperator matrix = KnownOperators.Create(Matrix, objective, new CurvatureOptions { Cancellation = cancellation });
        using DisposeScope scope = NewDisposeScope();
        return QuadraticModel.Of(problem.Errors, matrix, WithSlope ? objective.Gradient(cancellation) : null, progress, cancellation);
    });
}

using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>What is measured.</summary>
/// <param name="Name">Name of the matrix in <see cref="KnownOperators"/>.</param>
/// <param name="Objective">The loss over the samples looked at.</param>
/// <param name="Matrix">The matrix of the objective, as it is recorded.</param>
/// <param name="Model">The model.</param>
/// <param name="Block">
/// The diagonal block of a layer: the same matrix of the loss as a function of that layer's parameters, whose products leave the other layers' gradients out. The caller
/// disposes it.
/// </param>
/// <param name="Data">The samples looked at.</param>
/// <param name="Over">The loss over other batches of them, which each rank goes over alone.</param>
internal sealed record Subject(
    string Name,
    Objective Objective,
    LinearOperator Matrix,
    nn.Module Model,
    Func<ParameterLayer, CurvatureOperator> Block,
    SampleSet Data,
    Func<IReadOnlyList<Batch>, Objective> Over)
{
    /// <summary>theta.</summary>
    public ParameterSpace Parameters => Objective.Parameters;

    public bool IsHessian => Name == "hessian";
}

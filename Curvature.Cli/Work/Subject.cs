using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>What is measured.</summary>
/// <param name="Name">Name of the matrix in <see cref="KnownOperators"/>.</param>
/// <param name="Objective">The loss over the samples looked at.</param>
/// <param name="Matrix">The matrix of the objective.</param>
/// <param name="Model">The model.</param>
/// <param name="Block">
/// The diagonal block of a layer: the same matrix of the loss as a function of that layer's parameters, whose products leave the other layers' gradients out. The caller
/// disposes it.
/// </param>
internal sealed record Subject(string Name, Objective Objective, CurvatureOperator Matrix, nn.Module Model, Func<ParameterLayer, CurvatureOperator> Block)
{
    public bool IsHessian => Name == "hessian";
}

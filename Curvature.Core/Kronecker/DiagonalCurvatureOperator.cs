using Curvature.Data;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// A diagonal as a layer-wise curvature approximation, <c>diag(d)</c>, <c>[P, P]</c>: what takes KFAC's place where nothing but a diagonal is known or wanted, with d from
/// <see cref="Estimators.GgnDiagonal"/> (exact) or a stochastic diagonal of a positive semi-definite matrix. A product costs P multiplications.
/// </summary>
public sealed class DiagonalCurvatureOperator : LayerwiseOperator
{
    /// <param name="parameters">theta.</param>
    /// <param name="diagonal">d <c>[P]</c>, copied; none below 0.</param>
    /// <exception cref="CurvatureException">Of another size or dtype than the parameters, or with negative entries.</exception>
    /// <exception cref="NonFiniteException">An entry is NaN or infinite.</exception>
    public DiagonalCurvatureOperator(ParameterSpace parameters, Tensor diagonal) : base(parameters, Register(parameters), Split(parameters, Checked(parameters, diagonal)))
    {
    }

    private static Tensor Checked(ParameterSpace parameters, Tensor diagonal)
    {
        if (diagonal.dim() != 1 || diagonal.shape[0] != parameters.Count || diagonal.dtype != parameters.DType)
        {
            throw new CurvatureException(
                $"Expected a diagonal [{parameters.Count}] of {parameters.DType}, an entry a parameter; got [{string.Join(", ", diagonal.shape)}] of {diagonal.dtype}.");
        }

        if (!Finite.Everywhere(diagonal))
        {
            throw new NonFiniteException("The diagonal holds NaN or infinity.");
        }

        using Tensor least = diagonal.detach().min();
        return least.ToDouble() >= 0 ? diagonal : throw new CurvatureException(
            $"A curvature approximation is positive semi-definite, and the diagonal's least entry is {least.ToDouble():G3}. Take the exact diagonal (GgnDiagonal), more probes, or clamp it at 0.");
    }

    private static RegistrationReport Register(ParameterSpace parameters) =>
        new([.. parameters.Layers.SelectMany(layer => layer.Indices.Select(i => (Index: i, layer.Name))).OrderBy(p => p.Index)
            .Select(p => new RegisteredParameter(parameters.Names[p.Index], p.Name, BlockKind.Diagonal, ""))], []);

    private static List<(LayerBlock Block, IReadOnlyList<int> Indices)> Split(ParameterSpace parameters, Tensor diagonal)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return [.. parameters.Layers.Select(layer =>
        {
            Tensor[] parts = [.. layer.Indices.Select(i => diagonal.narrow(0, parameters.Offset(i), parameters.Parameters[i].numel()))];
            return ((LayerBlock)new DiagonalBlock(layer.Name, ParameterSpace.Join(parts)), layer.Indices);
        })];
    }
}

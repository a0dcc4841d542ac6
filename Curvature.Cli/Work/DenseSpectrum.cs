using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>The exact answers for a small problem, from all P^2 entries of the matrix.</summary>
internal static class DenseSpectrum
{
    /// <summary>Adds all eigenvalues and each layer's exact trace. P products, and an eigensolver of O(P^3) in float64.</summary>
    public static SharpnessSummary AddTo(SharpnessSummary summary, LinearOperator matrix, ParameterSpace parameters, IProgress<ProductProgress> progress)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor dense = matrix.ToDense(progress: progress).to(ScalarType.Float64).cpu();
        Tensor symmetric = (dense + dense.t()).mul(0.5);
        IReadOnlyList<Tensor> diagonal = parameters.Split(dense.diagonal());
        return summary with
        {
            ExactEigenvalues = linalg.eigvalsh(symmetric).data<double>().ToArray(),
            ExactLayerTraces = parameters.Layers.ToDictionary(
                layer => layer.Name,
                layer => layer.Indices.Sum(i => diagonal[i].sum().ToDouble())),
        };
    }
}

using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>Symmetric matrices with a chosen spectrum, and comparisons of arrays.</summary>
internal static class Matrices
{
    /// <summary><c>Q diag(eigenvalues) Q^T</c> with a random orthogonal Q.</summary>
    public static Tensor WithSpectrum(IReadOnlyList<double> eigenvalues, ulong seed = 0, ScalarType dtype = ScalarType.Float64)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(seed);
        Tensor gaussian = empty([eigenvalues.Count, eigenvalues.Count], ScalarType.Float64).normal_(0, 1, generator).to(Here);
        (Tensor q, _) = linalg.qr(gaussian);
        Tensor a = q.mul(tensor(eigenvalues.ToArray(), device: Here)).mm(q.t());
        return a.add(a.t()).mul(0.5).to(dtype).MoveToOuterDisposeScope();
    }

    public static MatrixOperator OperatorWithSpectrum(IReadOnlyList<double> eigenvalues, ulong seed = 0, ScalarType dtype = ScalarType.Float64)
    {
        using Tensor a = WithSpectrum(eigenvalues, seed, dtype);
        return new MatrixOperator(a);
    }

    /// <summary><c>|a - b|_F / max(|b|_F, floor)</c>.</summary>
    public static double RelativeDifference(Tensor a, Tensor b, double floor = 1e-300)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor x, Tensor y) = (a.detach().cpu().to(ScalarType.Float64), b.detach().cpu().to(ScalarType.Float64));
        return (x - y).norm().ToDouble() / Math.Max(y.norm().ToDouble(), floor);
    }
}

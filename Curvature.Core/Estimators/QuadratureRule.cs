using Curvature.Krylov;
using MathNet.Numerics.LinearAlgebra;

namespace Curvature.Estimators;

/// <summary>
/// Gauss quadrature of the spectral measure seen by one start vector: <c>v^T f(A) v = sum_i Weights[i] f(Nodes[i])</c>,
/// exact for polynomials of degree <c>2 m - 1</c> (Golub and Meurant 2010, Matrices, Moments and Quadrature, chapter 6).
/// </summary>
/// <param name="Nodes">Ritz values, ascending.</param>
/// <param name="Weights">Squared first components of the tridiagonal matrix's eigenvectors; they sum to 1.</param>
public sealed record QuadratureRule(double[] Nodes, double[] Weights)
{
    /// <summary>The rule of a Lanczos run's tridiagonal matrix (Golub and Welsch 1969).</summary>
    /// <param name="alpha">Its diagonal.</param>
    /// <param name="beta">Its off-diagonal, one shorter.</param>
    public static QuadratureRule Gauss(double[] alpha, double[] beta)
    {
        (double[] nodes, Matrix<double> vectors) = SymmetricEigen.OfTridiagonal(alpha, beta);
        double[] weights = [.. Enumerable.Range(0, nodes.Length).Select(i => vectors[0, i] * vectors[0, i])];
        double total = weights.Sum();
        Array.Sort(nodes, weights);
        return new QuadratureRule(nodes, [.. weights.Select(w => w / total)]);
    }

    /// <summary><c>sum_i Weights[i] f(Nodes[i])</c>.</summary>
    public double Integrate(Func<double, double> f)
    {
        double sum = 0;
        for (int i = 0; i < Nodes.Length; i++)
        {
            sum += Weights[i] * f(Nodes[i]);
        }

        return sum;
    }
}

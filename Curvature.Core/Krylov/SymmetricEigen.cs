using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Factorization;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// Eigenvalues and eigenvectors of the small symmetric matrices of Krylov methods, in float64 on the CPU: managed code up to <see cref="Managed"/>
/// rows, where a call into the engine would cost more than it saves, and the engine's LAPACK above (ten times as fast at 1,200 rows).
/// </summary>
internal static class SymmetricEigen
{
    /// <summary>Rows up to which managed code does it.</summary>
    public const int Managed = 500;

    /// <summary>Of a symmetric matrix: eigenvalues ascending, eigenvectors as columns.</summary>
    public static (double[] Values, Matrix<double> Vectors) Of(Matrix<double> a)
    {
        int n = a.RowCount;
        if (n <= Managed)
        {
            Evd<double> evd = a.Evd(Symmetricity.Symmetric);
            return ([.. evd.EigenValues.Select(v => v.Real)], evd.EigenVectors);
        }

        using DisposeScope scope = NewDisposeScope();
        (Tensor values, Tensor vectors) = linalg.eigh(tensor(a.ToRowMajorArray(), [n, n]));
        // Column-major, as the managed matrices are: the transpose, row by row.
        double[] columns = vectors.t().contiguous().data<double>().ToArray();
        return (values.data<double>().ToArray(), Matrix<double>.Build.Dense(n, n, columns));
    }

    /// <summary>Of the tridiagonal matrix with this diagonal and off-diagonal.</summary>
    public static (double[] Values, Matrix<double> Vectors) OfTridiagonal(double[] diagonal, double[] offDiagonal)
    {
        Matrix<double> a = Matrix<double>.Build.Dense(diagonal.Length, diagonal.Length);
        for (int i = 0; i < diagonal.Length; i++)
        {
            a[i, i] = diagonal[i];
            if (i > 0)
            {
                a[i, i - 1] = a[i - 1, i] = offDiagonal[i - 1];
            }
        }

        return Of(a);
    }
}

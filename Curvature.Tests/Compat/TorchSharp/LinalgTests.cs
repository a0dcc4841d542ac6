using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Each decomposition gives its matrix back.</summary>
public sealed class LinalgTests
{
    private const double Tolerance = 1e-10;

    private static Tensor Random(long rows, long columns)
    {
        using var generator = new Generator(11);
        return randn(rows, columns, float64, generator: generator);
    }

    private static Tensor Spd(long n)
    {
        var a = Random(n, n);
        return a.mm(a.t()) + eye(n, dtype: float64);
    }

    private static void Same(Tensor a, Tensor b) => Assert.True((a - b).norm().ToDouble() < Tolerance * (1 + a.norm().ToDouble()));

    [Fact]
    public void Cholesky_and_its_solves()
    {
        using var scope = NewDisposeScope();
        var a = Spd(5);
        var l = linalg.cholesky(a);
        Same(a, l.mm(l.t()));
        Assert.Equal(0, linalg.cholesky_ex(a).info.ToInt64());
        Assert.NotEqual(0, linalg.cholesky_ex(-a).info.ToInt64());
        var b = Random(5, 2);
        Same(b, a.mm(b.cholesky_solve(l)));
        Same(b, l.mm(linalg.solve_triangular(l, b, upper: false)));
        Same(b, a.mm(linalg.solve(a, b)));
        Same(eye(5, dtype: float64), a.mm(linalg.inv(a)));
        Same(linalg.inv(a), cholesky_inverse(l));
    }

    [Fact]
    public void Eigenvalues_of_a_symmetric_matrix()
    {
        using var scope = NewDisposeScope();
        var a = Spd(6);
        var (values, vectors) = linalg.eigh(a);
        Same(a, vectors.mm(values.diag()).mm(vectors.t()));
        Same(values, linalg.eigvalsh(a));
        var (sign, logarithm) = linalg.slogdet(a);
        Assert.Equal(1, sign.ToDouble());
        Assert.Equal(values.log().sum().ToDouble(), logarithm.ToDouble(), 10);
    }

    [Fact]
    public void Orthogonal_decompositions()
    {
        using var scope = NewDisposeScope();
        var a = Random(7, 3);
        var (q, r) = linalg.qr(a);
        Same(a, q.mm(r));
        Assert.Equal([7L, 7L], linalg.qr(a, linalg.QRMode.Complete).Q.shape);
        var (u, s, vh) = linalg.svd(a, fullMatrices: false);
        Same(a, u.mm(s.diag()).mm(vh));
        Same(s, linalg.svdvals(a));
        Same(linalg.pinv(a), linalg.lstsq(a, eye(7, dtype: float64)).Solution);
    }

    [Fact]
    public void Norms()
    {
        using var scope = NewDisposeScope();
        var a = tensor(new double[,] { { 3, 0 }, { 0, -4 } });
        Assert.Equal(5, linalg.norm(a).ToDouble());
        Assert.Equal(5, linalg.vector_norm(a).ToDouble());
        Assert.Equal(7, linalg.vector_norm(a, 1).ToDouble());
        Assert.Equal([3.0, 4], linalg.vector_norm(a, dims: [0]).data<double>().ToArray());
        Assert.Equal(4, linalg.matrix_norm(a, 2.0).ToDouble(), 12);
        Assert.Equal(5, linalg.matrix_norm(a).ToDouble());
    }
}

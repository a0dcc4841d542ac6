using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

public sealed class OperatorAlgebraTests
{
    public static TheoryData<string> Cases => [.. Catalogue().Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Each_operator_is_its_matrix(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (_, LinearOperator a, Tensor expected) = Catalogue().Single(c => c.Name == name);
        Assert.Equal((expected.shape[0], expected.shape[1]), (a.Rows, a.Columns));
        Assert.True(Matrices.RelativeDifference(a.ToDense(), expected) < 1e-13);
        Tensor v = randn(a.Columns, ScalarType.Float64).to(Here), u = randn(a.Rows, ScalarType.Float64).to(Here);
        Assert.True(Matrices.RelativeDifference(a.Apply(v), expected.mv(v)) < 1e-13);
        Assert.Equal(u.dot(a.Apply(v)).ToDouble(), a.ApplyTranspose(u).dot(v).ToDouble(), 1e-11);
        if (a.IsSymmetric)
        {
            Assert.True(Matrices.RelativeDifference(expected, expected.t()) < 1e-14);
        }

        if (a.ExactTrace is { } trace)
        {
            Assert.Equal(expected.diagonal().sum().ToDouble(), trace, 1e-11);
        }
    }

    [Fact]
    public void Operands_that_do_not_fit_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        MatrixOperator a = new(randn(3, 4).to(Here)), b = new(randn(3, 3).to(Here));
        Assert.Throws<CurvatureException>(() => a + b);
        Assert.Throws<CurvatureException>(() => a * b);
        Assert.Throws<CurvatureException>(() => a.Shift(1));
        Assert.Throws<CurvatureException>(() => b.Submatrix(tensor(new long[] { 0, 3 }, device: Here)));
        Assert.Throws<CurvatureException>(() => b.Submatrix(tensor(new long[] { 1, 1 }, device: Here)));
        Assert.Throws<CurvatureException>(() => new MatrixOperator(randn(3).to(Here)));
        Assert.Throws<CurvatureException>(() => new LowRankOperator(randn(3, 2).to(Here), randn(3).to(Here)));
    }

    [Fact]
    public void Products_are_counted_by_column()
    {
        using DisposeScope scope = NewDisposeScope();
        MatrixOperator a = new(randn(3, 3).to(Here));
        LinearOperator twice = 2 * a;
        twice.Apply(randn(3).to(Here));
        twice.Apply(randn(3, 4).to(Here));
        Assert.Equal((5, 5), (twice.Products, a.Products));
    }

    private static IEnumerable<(string Name, LinearOperator Operator, Tensor Matrix)> Catalogue()
    {
        random.manual_seed(5);
        Tensor m = randn(4, 4, ScalarType.Float64).to(Here), s = m.add(m.t()), r = randn(3, 4, ScalarType.Float64).to(Here), d = randn(4, ScalarType.Float64).to(Here);
        Tensor u = randn(4, 2, ScalarType.Float64).to(Here), w = randn(2, ScalarType.Float64).to(Here), i = eye(4, 4, ScalarType.Float64, device: Here);
        MatrixOperator A = new(m), S = new(s), R = new(r);
        Tensor rows = tensor(new long[] { 2, 0 }, device: Here), columns = tensor(new long[] { 1, 3, 0 }, device: Here);
        yield return ("dense", A, m);
        yield return ("rectangular", R, r);
        yield return ("sum", A + S, m.add(s));
        yield return ("difference", A - S, m.sub(s));
        yield return ("scaled", -2.5 * R, r.mul(-2.5));
        yield return ("product", R * A, r.mm(m));
        yield return ("square", S * S, s.mm(s));
        yield return ("shifted", S.Shift(0.3), s.add(i.mul(0.3)));
        yield return ("transposed", R.Transpose(), r.t());
        yield return ("submatrix", R.Submatrix(rows, columns), r.index_select(0, rows).index_select(1, columns));
        yield return ("principal submatrix", S.Submatrix(columns), s.index_select(0, columns).index_select(1, columns));
        yield return ("diagonal", new DiagonalOperator(d), d.diag());
        yield return ("low rank", new LowRankOperator(u, w), u.mm(w.diag()).mm(u.t()));
        yield return ("block diagonal", new BlockDiagonalOperator([S, R, A]), block_diag(s, r, m));
        yield return ("kronecker", new KroneckerOperator(R, A), kron(r, m));
    }
}

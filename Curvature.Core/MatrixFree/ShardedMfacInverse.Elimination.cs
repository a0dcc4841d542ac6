using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>The diagonal and the elimination of parameters, each rank its columns.</summary>
public sealed partial class ShardedMfacInverse
{
    /// <summary>
    /// The diagonal of <c>F^-1</c>, <c>[P]</c>, in the caller's scope: <c>(1 - g_i^T S^-1 g_i) / lambda</c> with the column g_i of G, <c>S = m lambda I + G G^T</c>. Collective: one sum of P numbers, and <c>2 m^2 P / n</c> multiplications a rank.
    /// </summary>
    public Tensor Diagonal()
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor diagonal = zeros(Rows, ScalarType.Float64, Device);
        ForEachStretch(_gradients, (G, at) => diagonal.narrow(0, _first + at, G.shape[1]).copy_(G.mul(G.cholesky_solve(_factor)).sum(dim: 0).mul_(-1).add_(1).div_(Damping)));
        _ranks.Sum(diagonal);
        return diagonal.to(DType).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The least increase of <c>(1/2) x^T F x</c> over changes x that set some parameters Q to zero, and that change, as <see cref="MfacInverse.Eliminate"/> has it. The others A make up for them by
    /// <c>x_A = F_AA^-1 F_AQ w_Q = G_A^T s</c>, <c>(m lambda I + G_A G_A^T) s = G_Q w_Q</c> (push-through identity), and the increase is <c>(lambda |x|^2 + m lambda^2 |s|^2) / 2</c>. Collective: sums of m^2, m and P numbers, and
    /// <c>m^2 P / n</c> multiplications a rank; m^3 / 3 on each.
    /// </summary>
    /// <param name="w">The parameters, <c>[P]</c>, the same on every rank.</param>
    /// <param name="eliminated">Boolean <c>[P]</c>: Q.</param>
    /// <returns>The change in the caller's scope: exactly minus w in Q.</returns>
    /// <exception cref="CurvatureException">Wrong shapes or types.</exception>
    public MfacElimination Eliminate(Tensor w, Tensor eliminated)
    {
        if (!w.shape.SequenceEqual([Columns]) || w.dtype != DType || !eliminated.shape.SequenceEqual([Columns]) || eliminated.dtype != ScalarType.Bool)
        {
            throw new CurvatureException(
                $"Elimination takes the values [{Columns}] of {DType} and a boolean mask [{Columns}]; got [{string.Join(", ", w.shape)}] of {w.dtype} and "
                + $"[{string.Join(", ", eliminated.shape)}] of {eliminated.dtype}.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor gone = eliminated.to(ScalarType.Float64, Device), going = w.detach().to(ScalarType.Float64, Device).mul(gone);
        Tensor gram = zeros([Gradients, Gradients], ScalarType.Float64, Device), u = zeros([Gradients, 1], ScalarType.Float64, Device);
        ForEachStretch(_gradients, (G, at) =>
        {
            Tensor rest = G.mul(Own(gone, at, G).neg().add(1));
            gram.add_(rest.mm(rest.t()));
            u.add_(G.mm(Own(going, at, G).unsqueeze(1)));
        });
        _ranks.Sum(gram);
        _ranks.Sum(u);
        gram.diagonal().add_(Gradients * Damping);
        Tensor s = u.cholesky_solve(linalg.cholesky(gram)), change = zeros(Rows, ScalarType.Float64, Device);
        ForEachStretch(_gradients, (G, at) => Own(change, at, G).copy_(G.t().mm(s).squeeze(1)));
        _ranks.Sum(change);
        change = change.mul(gone.neg().add(1)).sub(going);
        double increase = 0.5 * Damping * (change.square().sum().ToDouble() + (Gradients * Damping * s.square().sum().ToDouble()));
        return new MfacElimination(w.detach().neg().where(eliminated, change.to(DType)).MoveToOuterDisposeScope(), increase);
    }

    /// <summary>The entries of a vector <c>[P]</c> that belong to a stretch of this rank's columns.</summary>
    private Tensor Own(Tensor vector, long at, Tensor G) => vector.narrow(0, _first + at, G.shape[1]);
}

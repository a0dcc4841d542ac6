using Curvature.Operators;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>The last step of an eigensolver: the best eigenpairs within a space, with residuals that are measured and not recurred.</summary>
internal static class RayleighRitz
{
    // Products of deep networks carry up to that many eps of rounding; 4 more are the allowance in each residual.
    private const double Rounding = 64, Allowance = 4;

    /// <summary>The relative residual to iterate down to: the one asked for, within what the dtype can give.</summary>
    public static double Reachable(double tolerance, ScalarType dtype) => Math.Max(tolerance, Rounding * Precision.Epsilon(dtype));

    /// <summary>
    /// Rayleigh-Ritz on the columns of V with one product each. Residuals hold a rounding allowance of 4 eps |lambda|_max.
    /// </summary>
    /// <param name="a">The operator.</param>
    /// <param name="V">Orthonormal columns <c>[P, k]</c>.</param>
    /// <param name="scale">The largest |Ritz value| seen.</param>
    /// <param name="tolerance">The residual that counts as converged, relative to the scale.</param>
    /// <param name="products">Products spent before.</param>
    /// <param name="isComplete">See <see cref="Eigenpairs.IsComplete"/>.</param>
    public static Eigenpairs Measure(LinearOperator a, Tensor V, double scale, double tolerance, int products, bool isComplete)
    {
        Tensor AV = a.Apply(V);
        Tensor M = Precision.Gram(V, AV);
        (Tensor theta, Tensor rotation) = linalg.eigh(M.add(M.t()).mul_(0.5));
        Tensor S = rotation.to(V.dtype, V.device);
        (V, AV) = (V.mm(S), AV.mm(S));
        Tensor residuals = Precision.RowNorms(AV.sub(V.mul(theta.to(V.dtype, V.device))).t());

        double[] values = theta.data<double>().ToArray();
        double[] errors = residuals.squeeze(1).to(ScalarType.Float64).cpu().data<double>().ToArray();
        scale = Math.Max(scale, values.Max(Math.Abs));
        double eps = Precision.Epsilon(V.dtype) * scale;
        int[] order = [.. Enumerable.Range(0, values.Length).OrderByDescending(i => Math.Abs(values[i]))];
        Tensor indices = tensor(order.Select(i => (long)i).ToArray(), device: V.device);
        return new Eigenpairs(
            [.. order.Select(i => new Eigenvalue(values[i], errors[i] + (Allowance * eps), errors[i] <= tolerance * scale))],
            V.index_select(1, indices),
            products + values.Length,
            isComplete)
        {
            Rounding = (Rounding + Allowance) * eps,
        };
    }
}

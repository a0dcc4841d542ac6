using Curvature.Data;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// Several Lanczos runs from random start vectors, advanced in lock-step so that each pass over the data serves all of them. Run r builds an
/// orthonormal basis Q_r of the Krylov space of its start vector and the tridiagonal <c>T_r = Q_r^T A Q_r</c> (diagonal alpha, off-diagonal
/// beta), by <c>beta_{j+1} q_{j+1} = A q_j - alpha_j q_j - beta_j q_{j-1}</c>, orthogonalised twice against the whole basis (Parlett 1998,
/// section 6.9: twice is enough). Without that, converged eigenvalues come back as copies.
/// <para>A run ends early where its Krylov space is invariant: <c>beta</c> at rounding level, 10 eps, of the largest alpha or beta; its T is then exact.</para>
/// </summary>
/// <param name="Alphas">Diagonals, one array a run.</param>
/// <param name="Betas">Off-diagonals, one shorter than the diagonal.</param>
/// <param name="Products">Products spent.</param>
public sealed record LanczosRuns(IReadOnlyList<double[]> Alphas, IReadOnlyList<double[]> Betas, int Products)
{
    /// <summary>Runs Lanczos. Cost: <c>runs * steps</c> products and <c>runs * steps * P</c> entries of memory.</summary>
    /// <param name="a">A symmetric operator.</param>
    /// <param name="runs">Number of start vectors.</param>
    /// <param name="steps">Largest number of steps; at most P are made.</param>
    /// <param name="seed">Start vectors are Gaussian, normalised; run r uses column <c>first + r</c> of this seed.</param>
    /// <param name="first">Number of the first run, for more of them later.</param>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Ends the runs between two steps.</param>
    public static LanczosRuns From(
        LinearOperator a, int runs, int steps, int seed, int first = 0, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) =>
        From(a, runs, steps, seed, first, _ => { }, progress, cancellation);

    /// <summary>The same, shown after 4, 8, 16 ... steps, so that work which cannot end well need not be done to its end.</summary>
    internal static LanczosRuns From(
        LinearOperator a, int runs, int steps, int seed, int first, Action<LanczosRuns> look, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        const int FirstLook = 4;
        if (!a.IsSymmetric)
        {
            throw new CurvatureException("Lanczos needs a symmetric operator; this one is not symmetric by construction.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(runs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        steps = (int)Math.Min(steps, a.Columns);
        DeviceMemory.RequireVectors((long)runs * steps, a.Columns, a.DType, a.Device, "Ask for fewer steps or runs.");

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor Q = zeros([runs, steps, a.Columns], a.DType, a.Device);
        Tensor q = Probes.Draw(ProbeKind.Gaussian, a.Columns, first, runs, seed, a.DType, a.Device).t().contiguous(); // [runs, P]
        q.div_(Precision.RowNorms(q));

        List<double>[] alphas = [.. Enumerable.Range(0, runs).Select(_ => new List<double>())];
        List<double>[] betas = [.. Enumerable.Range(0, runs).Select(_ => new List<double>())];
        bool[] ended = new bool[runs];
        double[] scale = new double[runs];
        double rounding = 10 * Precision.Epsilon(a.DType);
        int products = 0;
        for (int j = 0; j < steps; j++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope step = NewDisposeScope();
            Q.select(1, j).copy_(q);
            Tensor w = a.Apply(q.t()).t().contiguous();
            products += runs;

            Tensor basis = Q.narrow(1, 0, j + 1);                                   // [runs, j + 1, P]
            Tensor forms = w.mul(q).sum(1);
            Orthogonalise(w, basis);
            Orthogonalise(w, basis);
            double[] both = ToDoubles(cat([forms, Precision.RowNorms(w).squeeze(1)])), alpha = both[..runs], beta = both[runs..]; // one wait for the device
            double[] next = new double[runs];
            for (int r = 0; r < runs; r++)
            {
                if (ended[r])
                {
                    continue;
                }

                alphas[r].Add(alpha[r]);
                scale[r] = Math.Max(scale[r], Math.Max(Math.Abs(alpha[r]), beta[r]));
                ended[r] = j + 1 == steps || beta[r] <= rounding * scale[r];
                if (!ended[r])
                {
                    betas[r].Add(beta[r]);
                    next[r] = 1 / beta[r];
                }
            }

            // A run that has ended goes on with the zero vector, which costs its share of the pass and nothing else.
            q.copy_(w.mul_(DeviceCopy.To(tensor(next, a.DType), a.DType, a.Device).unsqueeze(1)));
            progress?.Report(new ProductProgress("density", products, runs * steps));
            if (Array.TrueForAll(ended, e => e))
            {
                break;
            }

            if (j + 1 >= FirstLook && int.IsPow2(j + 1))
            {
                look(new LanczosRuns([.. alphas.Select(x => x.ToArray())], [.. alphas.Zip(betas, (x, y) => y.Take(x.Count - 1).ToArray())], products));
            }
        }

        return new LanczosRuns([.. alphas.Select(x => x.ToArray())], [.. betas.Select(x => x.ToArray())], products);
    }

    /// <summary>Takes the basis' components out of w, run by run: <c>w -= Q (Q^T w)</c>.</summary>
    private static void Orthogonalise(Tensor w, Tensor basis)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor c = basis.bmm(w.unsqueeze(2));                                       // [runs, j, 1]
        w.sub_(basis.transpose(1, 2).bmm(c).squeeze(2));
    }

    private static double[] ToDoubles(Tensor t)
    {
        using Tensor flat = t.reshape(-1).to(ScalarType.Float64).cpu();
        return flat.data<double>().ToArray();
    }
}

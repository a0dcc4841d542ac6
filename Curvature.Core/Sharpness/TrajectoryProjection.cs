using Curvature.Data;
using Curvature.Tensors;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// The plane that holds most of a training run: the first two principal components of its checkpoints, as seen from the last (Li, Xu, Taylor, Studer and Goldstein 2018, Visualizing the Loss Landscape of Neural Nets,
/// section 7). Random directions cannot show a run, being orthogonal to almost all of it. Dispose it to release the directions.
/// </summary>
public sealed class TrajectoryProjection : IDisposable
{
    private TrajectoryProjection(Tensor a, Tensor b) => (A, B) = (a.DetachFromDisposeScope(), b.DetachFromDisposeScope());

    /// <summary>The first component, a unit vector <c>[P]</c> on which the run begins on the positive side.</summary>
    public Tensor A { get; }

    /// <summary>The second, orthogonal to it.</summary>
    public Tensor B { get; }

    /// <summary>Coordinates of each checkpoint's difference from the last, along A and B, in units of the parameters; the last is (0, 0).</summary>
    public required IReadOnlyList<(double X, double Y)> Points { get; init; }

    /// <summary>How far each checkpoint is from the plane through the last one: what the picture leaves out.</summary>
    public required IReadOnlyList<double> Distances { get; init; }

    /// <summary>Shares of the variance of the checkpoints that the two components explain.</summary>
    public required (double First, double Second) Explained { get; init; }

    /// <summary>Projects a run. Memory: a copy of the checkpoints; cost: n^2 P.</summary>
    /// <param name="checkpoints"><see cref="ParameterSpace.Snapshot"/>s of one run in order, <c>[P]</c> each, at least three.</param>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="CurvatureException">Fewer than three, unequal shapes, or all on a line.</exception>
    /// <exception cref="NonFiniteException">A checkpoint is NaN or infinite; the message says which.</exception>
    public static TrajectoryProjection Of(IReadOnlyList<Tensor> checkpoints)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Check(checkpoints);
        Tensor last = checkpoints[^1].detach();
        DeviceMemory.RequireVectors(2 * checkpoints.Count, last.numel(), last.dtype, last.device, "Take fewer checkpoints.");
        Tensor M = stack(checkpoints.Select(c => c.detach().sub(last))).t(); // [P, n], the last column zero
        Matrix<double> gram = Matrix<double>.Build.Dense(checkpoints.Count, checkpoints.Count, Precision.Gram(M, M).data<double>().ToArray());

        // M C = U S V^T with the centring C: C (M^T M) C = V S^2 V^T, so that U = M C V / S.
        int n = checkpoints.Count;
        Matrix<double> C = Matrix<double>.Build.DenseIdentity(n) - Matrix<double>.Build.Dense(n, n, 1.0 / n);
        var eigen = (C * gram * C).Evd(Symmetricity.Symmetric);
        double total = eigen.EigenValues.Sum(value => Math.Max(0, value.Real));
        (double first, double second) = (eigen.EigenValues[n - 1].Real, eigen.EigenValues[n - 2].Real);
        if (!(second > 1e-10 * first))
        {
            throw new CurvatureException("The checkpoints lie on a line, which spans no plane. Look along it (LandscapeCurve.Between), or take more of the run.");
        }

        Tensor a = Component(M, C * eigen.EigenVectors.Column(n - 1)), b = Component(M, C * eigen.EigenVectors.Column(n - 2), a);
        double[] x = Coordinates(M, a), y = Coordinates(M, b);
        return new TrajectoryProjection(a, b)
        {
            Points = [.. x.Zip(y)],
            Distances = [.. Enumerable.Range(0, n).Select(i => Math.Sqrt(Math.Max(0, gram[i, i] - (x[i] * x[i]) - (y[i] * y[i]))))],
            Explained = (first / total, second / total),
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
    }

    /// <summary>The unit vector <c>M w / |M w|</c>; in float32 the rounding of a far longer first component is taken out of the second.</summary>
    private static Tensor Component(Tensor M, Vector<double> weights, Tensor? first = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor u = M.mv(tensor(weights.ToArray(), M.dtype, M.device));
        if (first is not null)
        {
            u.sub_(first.mul(Precision.Dots((first, u))[0]));
        }

        u.div_(Precision.Norm(u));
        return (Coordinates(M, u)[0] < 0 ? u.neg() : u).MoveToOuterDisposeScope();
    }

    private static double[] Coordinates(Tensor M, Tensor u)
    {
        using DisposeScope scope = NewDisposeScope();
        return Precision.Gram(M, u.unsqueeze(1)).reshape(-1).data<double>().ToArray();
    }

    private static void Check(IReadOnlyList<Tensor> checkpoints)
    {
        if (checkpoints.Count < 3 || checkpoints.Any(c => c.dim() != 1 || c.numel() != checkpoints[0].numel() || c.dtype != checkpoints[0].dtype))
        {
            throw new CurvatureException("A run is projected from at least three checkpoints, vectors of one length and dtype (ParameterSpace.Snapshot).");
        }

        int bad = Enumerable.Range(0, checkpoints.Count).FirstOrDefault(i => !Finite.Everywhere(checkpoints[i]), -1);
        if (bad >= 0)
        {
            throw new NonFiniteException($"Checkpoint {bad} holds NaN or infinity: the run diverged there. Leave it out.");
        }
    }
}

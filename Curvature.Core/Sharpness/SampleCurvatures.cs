using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// The curvature of every sample apart, <c>H_i = R_i^T R_i</c> (positive semi-definite: a Gauss-Newton matrix, or a Hessian where every sample is fitted), and their mean
/// <c>H = (1/n) sum_i H_i</c>. Kept in the coordinates of H's own eigenvectors that have a curvature, in float64 on the CPU: <c>n c r</c> numbers with r the rank, at most <c>min(P, n c)</c>.
/// </summary>
public sealed class SampleCurvatures : IDisposable
{
    // Directions flatter than this share of the sharpest are rounding: left out.
    private const double Flat = 1e-11;

    private SampleCurvatures(Tensor rows, double[] spectrum, long samples)
    {
        Rows = rows.DetachFromDisposeScope();
        (Spectrum, Samples) = (spectrum, samples);
    }

    /// <summary>Number of samples n.</summary>
    public long Samples { get; }

    /// <summary>H's eigenvalues above rounding, the largest first; as many as H has rank.</summary>
    public IReadOnlyList<double> Spectrum { get; }

    /// <summary><c>R_i</c> in H's eigenvectors, <c>[n, c, r]</c>.</summary>
    internal Tensor Rows { get; }

    /// <summary>From factors of the samples' curvatures. Cost: one eigendecomposition of <c>min(P, n c)</c> rows.</summary>
    /// <param name="factors"><c>[n, c, P]</c>: sample i has <c>H_i = R_i^T R_i</c>. For linear regression with loss <c>(x^T theta - y)^2 / 2</c> the inputs, c = 1. Stays the caller's.</param>
    /// <exception cref="CurvatureException">Another shape, no sample, numbers that are not finite, or no curvature at all.</exception>
    public static SampleCurvatures FromFactors(Tensor factors)
    {
        ArgumentNullException.ThrowIfNull(factors);
        if (factors.dim() != 3 || factors.numel() == 0)
        {
            throw new CurvatureException($"Factors of the samples' curvatures have the shape [n, c, P]; got [{string.Join(", ", factors.shape)}].");
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        long n = factors.shape[0], c = factors.shape[1], parameters = factors.shape[2];
        Tensor F = factors.detach().to(ScalarType.Float64).cpu().reshape(n * c, parameters);
        if (!F.isfinite().all().ToBoolean())
        {
            throw new NonFiniteException("A factor of a sample's curvature is NaN or infinite.");
        }

        // H = F^T F / n has the eigenvalues of F F^T / n; of its eigenvectors V only F V is needed, which is U sqrt(n lambda).
        bool tall = n * c > parameters;
        Tensor gram = (tall ? F.t().mm(F) : F.mm(F.t())).div_(n);
        (Tensor lambda, Tensor vectors) = linalg.eigh(gram);
        double[] ascending = lambda.data<double>().ToArray();
        int rank = ascending.Count(value => value > Flat * ascending[^1]);
        if (rank == 0 || !(ascending[^1] > 0))
        {
            throw new CurvatureException("No sample has any curvature: every learning rate is stable.");
        }

        Tensor order = tensor((long[])[.. Enumerable.Range(1, rank).Select(k => (long)(ascending.Length - k))]);
        Tensor kept = vectors.index_select(1, order), values = lambda.index_select(0, order);
        Tensor rows = tall ? F.mm(kept) : kept.mul(values.mul(n).sqrt());
        return new SampleCurvatures(rows.reshape(n, c, rank).contiguous(), values.data<double>().ToArray(), n);
    }

    /// <summary>From the samples' matrices.</summary>
    /// <param name="matrices"><c>[n, P, P]</c>, symmetric and positive semi-definite. Stays the caller's.</param>
    /// <exception cref="CurvatureException">Another shape, or a sample with negative curvature: mean-square stability is about minima, where there is none.</exception>
    public static SampleCurvatures FromMatrices(Tensor matrices)
    {
        ArgumentNullException.ThrowIfNull(matrices);
        if (matrices.dim() != 3 || matrices.numel() == 0 || matrices.shape[1] != matrices.shape[2])
        {
            throw new CurvatureException($"The samples' curvatures have the shape [n, P, P]; got [{string.Join(", ", matrices.shape)}].");
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        (Tensor lambda, Tensor V) = linalg.eigh(matrices.detach().to(ScalarType.Float64).cpu());
        double least = lambda.min().ToDouble(), most = lambda.abs().max().ToDouble();
        if (least < -Math.Sqrt(Flat) * most)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"A sample's curvature has the eigenvalue {least:G3}, beside {most:G3}: mean-square stability is about minima, where none is negative. Take Gauss-Newton matrices."));
        }

        return FromFactors(V.mul(lambda.clamp(min: 0).sqrt().unsqueeze(1)).transpose(1, 2));
    }

    /// <summary>
    /// Gauss-Newton matrices of an objective's samples, L2 left out: each of its batches holds one row. Cost: as many backward passes a row as the model has outputs, and <c>n c P</c> numbers in between.
    /// </summary>
    /// <param name="objective">Split (<see cref="Objective.IsSplit"/>), a batch a row: <c>dataset.Batches(1)</c>.</param>
    /// <param name="cancellation">Ends between two rows.</param>
    /// <exception cref="CurvatureException">Not split, a batch with several rows, an objective that sums its terms, or rows of different weight: SGD's batches would not be means of samples alike.</exception>
    public static SampleCurvatures Of(Objective objective, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(objective);
        objective.RequireSplit("A sample's Gauss-Newton matrix").RequireOneRank("The exact threshold", "it is an eigenvalue over pairs of samples").RequireMean("A sample's share of the stability").EnsureLinearizable("a sample's Gauss-Newton matrix");
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> samples = [];
        double terms = 0;
        foreach (ObjectiveBatch batch in objective.Pass(cancellation))
        {
            using DisposeScope inner = NewDisposeScope();
            terms = samples.Count == 0 ? batch.Terms : terms;
            samples.Add(Factor(objective, batch).MoveToOuterDisposeScope());
            if (batch.Terms != terms)
            {
                throw new CurvatureException(FormattableString.Invariant(
                    $"Samples count alike in the threshold: row {batch.Index} has {batch.Terms:G4} loss terms, row 0 has {terms:G4}. Leave out class weights, and rows whose targets are ignored in part."));
            }
        }

        return FromFactors(stack(samples));
    }

    /// <inheritdoc/>
    public void Dispose() => Rows.Dispose();

    /// <summary><c>R = S^T J</c> of one row, S a square root of the loss's Hessian in the outputs, <c>[c, P]</c>.</summary>
    private static Tensor Factor(Objective objective, ObjectiveBatch batch)
    {
        IReadOnlyList<Tensor> theta = objective.Parameters.Parameters;
        Tensor outputs, targets;
        using (enable_grad())
        {
            (outputs, targets) = batch.Split!.Evaluate();
        }

        if (outputs.dim() > 0 && outputs.shape[0] != 1)
        {
            throw new CurvatureException($"Batch {batch.Index} has {outputs.shape[0]} rows: samples are told apart by batches of one, dataset.Batches(1).");
        }

        using IDisposable noGrad = no_grad();
        using OutputCurvature curvature = batch.Split!.Loss.CurvatureAt(outputs, targets);
        Tensor rows = zeros([curvature.Columns * curvature.Positions, objective.Parameters.Count], objective.Parameters.DType, objective.Parameters.Device);
        for (long k = 0; k < rows.shape[0]; k++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor s = curvature.RootColumn(k % curvature.Columns, k / curvature.Columns);
            objective.Accumulate(rows.select(0, k), Gradients.VectorJacobianProduct([outputs], [s], theta), 1);
        }

        return rows;
    }
}

using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// How much the Hessian differs from sample to sample, from how it differs between disjoint mini-batches: <c>v = E_B |(H_B - H) z|^2</c> for a unit vector z falls as <c>s^2 (1/b - 1/N)</c> with the batch size
/// b, so that <c>s^2</c>, of one sample, gives it at all. <see cref="BatchSizeLaw"/> makes eigenvalues of it.
/// </summary>
/// <param name="Isotropic"><c>s^2</c> along random directions: <c>E_i |H_i - H|_F^2 / P</c>.</param>
/// <param name="Transverse"><c>s^2</c> along the direction given, its component in that direction left out: what mixes other directions into it. Null without a direction.</param>
/// <param name="Along">The variance of <c>u^T H_i u</c> over the samples, u the direction given: by the root of its b-th part the curvature along u differs between batches. Null without a direction.</param>
public sealed record HessianNoise(Estimate Isotropic, Estimate? Transverse, Estimate? Along)
{
    // Batches compared with one another: of each group an independent estimate, over which the standard error is.
    private const int Group = 4;

    /// <summary><c>E_B |(H_B - H) z|^2</c> at a batch size, drawn without replacement from N samples.</summary>
    /// <param name="batchSize">b.</param>
    /// <param name="samples">N.</param>
    public double VarianceAt(double batchSize, double samples = double.PositiveInfinity) => Isotropic.Value * Math.Max(0, (1 / batchSize) - (1 / samples));

    /// <summary>Measures over the batches of an objective, disjoint and in random order. Cost: a pass of fresh Hessian products, one a probe and one for the direction.</summary>
    /// <param name="objective">
    /// Batches of <paramref name="batchSize"/> samples each, at least two; one with less than half of the first one's loss terms, as the rest at the end, is left out. Small ones tell more than large ones.
    /// </param>
    /// <param name="batchSize">Samples in a batch.</param>
    /// <param name="direction">u, <c>[P]</c> of length one, as the eigenvector of lambda_max; null: random directions alone.</param>
    /// <param name="probes">Random directions, drawn anew every four batches.</param>
    /// <param name="seed">Of the directions.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">Less than two batches, no probe, a direction of another shape, or an objective that sums its terms.</exception>
    /// <exception cref="NonDeterministicException">The model draws random numbers, which would count as noise between samples.</exception>
    /// <exception cref="NoSecondDerivativeException">The model cannot be differentiated twice.</exception>
    /// <exception cref="NonFiniteException">A product is NaN or infinite; the message names the batch.</exception>
    public static HessianNoise Of(
        Objective objective,
        int batchSize,
        Tensor? direction = null,
        int probes = 1,
        int seed = 0,
        IProgress<ProductProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(objective);
        ParameterSpace space = objective.Parameters;
        if (batchSize < 1 || probes < 1 || (direction is not null && (direction.dim() != 1 || direction.shape[0] != space.Count)))
        {
            throw new CurvatureException(
                $"Hessian noise takes a batch size and a number of probes of at least 1, and a direction [{space.Count}]; got {batchSize}, {probes} and "
                + $"{(direction is null ? "none" : $"[{string.Join(", ", direction.shape)}]")}.");
        }

        objective.RequireMean("The noise between samples").RequireOneRank("The noise between samples", "it compares batches in groups").EnsureTwiceDifferentiable();
        objective.EnsureDeterministic();
        using DisposeScope scope = NewDisposeScope();
        List<double> isotropic = [], transverse = [], along = [];
        double first = 0;
        int done = 0;
        Sums? sums = null;
        void Close()
        {
            if (sums is { Count: > 1 } group)
            {
                isotropic.Add(batchSize * group.Variance(0, probes));
                if (direction is not null)
                {
                    along.Add(batchSize * group.AlongVariance());
                    transverse.Add((batchSize * group.Variance(probes, probes + 1)) - along[^1]);
                }
            }

            sums?.Dispose();
            sums = null;
        }

        try
        {
            foreach (ObjectiveBatch batch in objective.Pass(cancellation))
            {
                first = first == 0 ? batch.Terms : first;
                if (batch.Terms < first / 2)
                {
                    continue;
                }

                sums ??= new Sums(space, Directions(space, direction, probes, isotropic.Count, seed), direction is not null);
                sums.Add(batch);
                done++;
                progress?.Report(new ProductProgress("Hessian noise", done, done)); // how many there are shows at their end
                if (sums.Count == Group)
                {
                    Close();
                }
            }

            if (isotropic.Count == 0 || sums is { Count: > 2 })
            {
                Close();
            }
        }
        finally
        {
            sums?.Dispose();
        }

        return isotropic.Count == 0
            ? throw new CurvatureException($"Noise is what differs between batches, and there are less than two of one size: take smaller batches than {batchSize}, or more samples.")
            : new HessianNoise(Mean(isotropic, done * probes), direction is null ? null : Mean(transverse, done), direction is null ? null : Mean(along, done));
    }

    private static Estimate Mean(List<double> groups, int products) => Estimate.FromSamples(groups, products);

    /// <summary>Unit rows <c>[probes (+ 1), P]</c>, the direction last.</summary>
    private static Tensor Directions(ParameterSpace space, Tensor? direction, int probes, int group, int seed)
    {
        Tensor z = Probes.Draw(ProbeKind.Sphere, space.Count, group * probes, probes, seed, space.DType, space.Device).t().div(Math.Sqrt(space.Count));
        return direction is null ? z : cat([z, direction.detach().to(space.DType, space.Device).unsqueeze(0)]);
    }

    /// <summary>Sums over a group's batches of <c>H_B v</c>, <c>|H_B v|^2</c> and <c>v^T H_B v</c> of the last direction.</summary>
    private sealed class Sums : IDisposable
    {
        private readonly ParameterSpace _space;
        private readonly Tensor _directions, _mean;
        private readonly bool _hasDirection;
        private readonly double[] _squares;
        private readonly List<double> _along = [];

        public Sums(ParameterSpace space, Tensor directions, bool hasDirection)
        {
            (_space, _hasDirection) = (space, hasDirection);
            _directions = directions.DetachFromDisposeScope();
            _mean = zeros_like(directions).DetachFromDisposeScope();
            _squares = new double[directions.shape[0]];
        }

        public int Count { get; private set; }

        public void Add(ObjectiveBatch batch)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor?[] gradient;
            using (enable_grad())
            {
                gradient = Gradients.Of(batch.Loss(), _space.Parameters, createGraph: true);
            }

            using IDisposable noGrad = no_grad();
            for (int j = 0; j < _squares.Length; j++)
            {
                using DisposeScope inner = NewDisposeScope();
                Tensor v = _directions.select(0, j);
                Tensor?[] parts = Gradients.VectorJacobianProduct(gradient, _space.Split(v), _space.Parameters, keepGraph: j + 1 < _squares.Length);
                Tensor product = ParameterSpace.Join([.. parts.Select((part, i) => part?.reshape(-1) ?? zeros(_space.Parameters[i].numel(), _space.DType, _space.Device))]);
                double[] dots = Precision.Dots((product, product), (v, product));
                if (!double.IsFinite(dots[0]))
                {
                    throw new NonFiniteException($"The Hessian of batch {batch.Index} has a product that is NaN or infinite.");
                }

                _mean.select(0, j).add_(product);
                _squares[j] += dots[0];
                if (_hasDirection && j + 1 == _squares.Length)
                {
                    _along.Add(dots[1]);
                }
            }

            Count++;
        }

        /// <summary>The unbiased variance of <c>H_B v</c>, the mean over some directions.</summary>
        public double Variance(int from, int to)
        {
            using DisposeScope scope = NewDisposeScope();
            return Enumerable.Range(from, to - from).Average(j => (_squares[j] - (Math.Pow(Precision.Norm(_mean.select(0, j)), 2) / Count)) / (Count - 1));
        }

        public double AlongVariance()
        {
            double mean = _along.Average();
            return _along.Sum(value => (value - mean) * (value - mean)) / (Count - 1);
        }

        public void Dispose()
        {
            _directions.Dispose();
            _mean.Dispose();
        }
    }
}

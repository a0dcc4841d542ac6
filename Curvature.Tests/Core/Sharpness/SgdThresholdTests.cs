using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Sharpness;

/// <summary>The mean-square threshold against its closed form, its dense definition, all batches there are, and stochastic gradient descent itself.</summary>
public sealed class SgdThresholdTests
{
    [Fact]
    public void Of_samples_of_rank_one_and_equal_norm_it_is_two_over_the_trace()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Draw([40, 1, 6], 1);
        x = x.div(x.square().sum(2, keepdim: true).sqrt()).mul(3);
        using SampleCurvatures samples = SampleCurvatures.FromFactors(x);
        SgdThreshold one = SgdThreshold.Of(samples, 1, tolerance: 1e-10);
        double trace = samples.Spectrum.Sum();
        Assert.Equal(9, trace, 1e-10);
        Assert.Equal(2, one.Rate * trace, 1e-8);
        Assert.Equal(2, one.Trace * trace, 1e-8);
        Assert.Equal(2, one.Sufficient * trace, 1e-8);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(3, false)]
    [InlineData(3, true)]
    [InlineData(7, false)]
    [InlineData(20, true)]
    public void It_is_the_dense_eigenvalue_and_lies_between_what_is_necessary_and_what_suffices(int batch, bool withReplacement)
    {
        using DisposeScope scope = NewDisposeScope();
        const int N = 7, P = 4;
        Tensor factors = Draw([N, 2, P], 3).mul(tensor([2.0, 1, 0.6, 0.2], device: Here));
        Tensor H = factors.transpose(1, 2).bmm(factors);                     // [n, P, P]
        using SampleCurvatures samples = SampleCurvatures.FromFactors(factors), same = SampleCurvatures.FromMatrices(H);
        SgdThreshold found = SgdThreshold.Of(samples, batch, withReplacement, 1e-10);

        double p = withReplacement ? 1.0 / batch : (N - batch) / (batch * (N - 1.0));
        Tensor mean = H.mean([0]), one = eye(P, dtype: ScalarType.Float64, device: Here);
        Tensor C = Kron(mean, one).add(Kron(one, mean)).mul(0.5), D = Kron(mean, mean).mul(1 - p);
        for (int i = 0; i < N; i++)
        {
            D.add_(Kron(H.select(0, i), H.select(0, i)), p / N);
        }

        (Tensor values, Tensor vectors) = linalg.eigh(C);
        Tensor root = vectors.mul(values.rsqrt()).mm(vectors.t());
        double expected = 2 / linalg.eigvalsh(root.mm(D).mm(root)).max().ToDouble();
        Assert.Equal(expected, found.Rate, 1e-8 * expected);
        Assert.Equal(expected, SgdThreshold.Of(same, batch, withReplacement, 1e-10).Rate, 1e-8 * expected);
        Assert.InRange(found.Rate, found.Sufficient * (1 - 1e-9), Math.Min(found.FullBatch, Math.Min(found.Trace, found.Frobenius)) * (1 + 1e-9));
        if (batch == N && !withReplacement)
        {
            Assert.Equal(2 / linalg.eigvalsh(mean).max().ToDouble(), found.Rate, 1e-8 * found.Rate);
            Assert.Equal(double.PositiveInfinity, found.Frobenius);
        }
    }

    [Theory]
    [InlineData(3, false)]
    [InlineData(2, true)]
    public void Over_all_batches_there_are_the_second_moment_shrinks_just_inside_and_grows_just_outside(int batch, bool withReplacement)
    {
        using DisposeScope scope = NewDisposeScope();
        const int N = 6, P = 3;
        Tensor x = Draw([N, P], 5);
        using SampleCurvatures samples = SampleCurvatures.FromFactors(x.unsqueeze(1));
        double limit = SgdThreshold.Of(samples, batch, withReplacement, 1e-10).Rate;
        Tensor[] batches = [.. Batches(N, batch, withReplacement).Select(rows =>
        {
            Tensor some = x.index_select(0, tensor(rows, device: Here));
            return some.t().mm(some).div(batch);
        })];

        double After(double eta)
        {
            Tensor moment = eye(P, dtype: ScalarType.Float64, device: Here), all = stack(batches.Select(H => eye(P, dtype: ScalarType.Float64, device: Here).sub(H.mul(eta))));
            for (int step = 0; step < 1500; step++)
            {
                moment = all.matmul(moment).bmm(all).mean([0]); // the factors are symmetric
            }

            return moment.trace().ToDouble();
        }

        Assert.True(After(0.99 * limit) < 1e-2, $"{After(0.99 * limit)}");
        Assert.True(After(1.01 * limit) > 1e2, $"{After(1.01 * limit)}");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Linear_regression_by_stochastic_gradient_descent_is_stable_inside_and_not_outside(bool withReplacement)
    {
        using DisposeScope scope = NewDisposeScope();
        const int N = 12, P = 3, Batch = 6, Runs = 4000, Settled = 4, Steps = 12; // few: what makes the mean grow over many are ever rarer runs
        Tensor x = Draw([N, P], 7);
        x = x.div(x.square().sum(1, keepdim: true).sqrt());
        using SampleCurvatures samples = SampleCurvatures.FromFactors(x.unsqueeze(1));
        double limit = SgdThreshold.Of(samples, Batch, withReplacement).Rate;

        // By how much E|theta - theta*|^2 grows over some steps, once it has its own shape.
        double Growth(double eta)
        {
            using DisposeScope run = NewDisposeScope();
            Generator generator = new(11);
            Tensor theta = empty([Runs, P], ScalarType.Float64).normal_(0, 1, generator).to(Here);
            double start = 0;
            for (int step = 0; step < Settled + Steps; step++)
            {
                using DisposeScope inner = NewDisposeScope();
                Tensor keys = rand([Runs, N], ScalarType.Float64, generator: generator).to(Here);
                Tensor counts = withReplacement // how often each sample is in each run's batch
                    ? zeros([Runs, N], ScalarType.Float64, device: Here).scatter_add_(1, randint(0, N, [Runs, Batch], ScalarType.Int64, generator: generator).to(Here), ones([Runs, Batch], ScalarType.Float64, device: Here))
                    : keys.unsqueeze(1).lt(keys.unsqueeze(2)).sum(dim: 2).lt(Batch).to(ScalarType.Float64);
                theta = theta.sub(theta.mm(x.t()).mul(counts).mm(x).mul(eta / Batch)).MoveToOuterDisposeScope();
                start = step == Settled - 1 ? theta.square().sum().ToDouble() : start;
            }

            return theta.square().sum().ToDouble() / start;
        }

        double inside = Growth(0.93 * limit), outside = Growth(1.07 * limit);
        Assert.True(inside < 0.6, $"{inside}");
        Assert.True(outside > 1.5, $"{outside}");
    }

    [Fact]
    public void More_samples_than_parameters_or_fewer_make_no_difference()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor narrow = Draw([9, 1, 3], 2), wide = cat([narrow, zeros([9, 1, 37], ScalarType.Float64, device: Here)], 2);
        (Tensor q, _) = linalg.qr(Draw([40, 40], 4));
        using SampleCurvatures few = SampleCurvatures.FromFactors(narrow), many = SampleCurvatures.FromFactors(wide.reshape(9, 40).mm(q).reshape(9, 1, 40));
        Assert.Equal(3, many.Spectrum.Count);
        Assert.Equal(SgdThreshold.Of(few, 2, tolerance: 1e-10).Rate, SgdThreshold.Of(many, 2, tolerance: 1e-10).Rate, 1e-8);
    }

    [Fact]
    public void A_networks_samples_are_their_gauss_newton_matrices()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(3);
        using nn.Module<Tensor, Tensor> model = nn.Sequential(nn.Linear(3, 2, dtype: ScalarType.Float64), nn.Tanh(), nn.Linear(2, 4, dtype: ScalarType.Float64)).to(Here);
        Tensor x = Draw([5, 3], 1), y = tensor([0L, 3, 1, 2, 0], device: Here);
        Curvature.Data.Batch[] rows = [.. Enumerable.Range(0, 5).Select(i => new Curvature.Data.Batch(x.narrow(0, i, 1), y.narrow(0, i, 1)))];
        using SampleCurvatures samples = SampleCurvatures.Of(Objective.Supervised(model, new CrossEntropy(), rows));
        using GgnOperator ggn = new(Objective.Supervised(model, new CrossEntropy(), [new Curvature.Data.Batch(x, y)]));
        double[] exact = linalg.eigvalsh(ggn.ToDense()).cpu().data<double>().ToArray();
        Assert.Equal(exact[^1], samples.Spectrum[0], 1e-10);
        Assert.Equal(exact.Sum(), samples.Spectrum.Sum(), 1e-10);
        using SampleCurvatures dense = SampleCurvatures.FromMatrices(stack(rows.Select(row =>
        {
            using GgnOperator one = new(Objective.Supervised(model, new CrossEntropy(), [row]));
            return one.ToDense();
        })));
        Assert.Equal(SgdThreshold.Of(dense, 2, tolerance: 1e-9).Rate, SgdThreshold.Of(samples, 2, tolerance: 1e-9).Rate, 1e-6);
        Objective Of(LossOptions options) => Objective.Supervised(model, new CrossEntropy(options), rows);
        Assert.Contains("Mean", Assert.Throws<CurvatureException>(() => SampleCurvatures.Of(Of(new LossOptions { Reduction = Curvature.Objectives.Reduction.Sum }))).Message, StringComparison.Ordinal);
        Assert.Contains("count alike", Assert.Throws<CurvatureException>(() => SampleCurvatures.Of(Of(new LossOptions { ClassWeights = tensor([1.0, 2, 5, 1], device: Here) }))).Message, StringComparison.Ordinal);
        Assert.Contains("batches of one", Assert.Throws<CurvatureException>(() => SampleCurvatures.Of(ggn.Objective)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_makes_no_sense_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using SampleCurvatures samples = SampleCurvatures.FromFactors(Draw([4, 1, 2], 1));
        Assert.Throws<CurvatureException>(() => SgdThreshold.Of(samples, 0));
        Assert.Throws<CurvatureException>(() => SgdThreshold.Of(samples, 5));
        Assert.True(SgdThreshold.Of(samples, 5, withReplacement: true).Rate > 0);
        Assert.Throws<CurvatureException>(() => SampleCurvatures.FromFactors(zeros([3, 1, 2], ScalarType.Float64, device: Here)));
        Assert.Throws<CurvatureException>(() => SampleCurvatures.FromFactors(zeros([3, 2], ScalarType.Float64, device: Here)));
        Assert.Throws<NonFiniteException>(() => SampleCurvatures.FromFactors(full([2, 1, 2], double.NaN, ScalarType.Float64, device: Here)));
        Assert.Contains("minima", Assert.Throws<CurvatureException>(() => SampleCurvatures.FromMatrices(eye(2, dtype: ScalarType.Float64, device: Here).neg().unsqueeze(0))).Message, StringComparison.Ordinal);
    }

    private static Tensor Draw(long[] shape, ulong seed)
    {
        using Generator generator = new(seed);
        return empty(shape, ScalarType.Float64).normal_(0, 1, generator).to(Here);
    }

    private static Tensor Kron(Tensor a, Tensor b) => einsum("ij,kl->ikjl", a, b).reshape(a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]);

    private static IEnumerable<long[]> Batches(int n, int batch, bool withReplacement)
    {
        IEnumerable<long[]> all = [[]];
        for (int k = 0; k < batch; k++)
        {
            all = all.SelectMany(rows => Enumerable.Range(0, n).Select(i => (long)i).Where(i => withReplacement || rows.Length == 0 || i > rows[^1]).Select(i => (long[])[.. rows, i]));
        }

        return all;
    }
}

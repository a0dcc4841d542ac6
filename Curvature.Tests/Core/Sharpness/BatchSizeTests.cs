using Curvature.Data;
using Curvature.Objectives;
using Curvature.Sharpness;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Sharpness;

/// <summary>The law on spiked random matrices, the noise on quadratics whose samples are known, and a study of both together.</summary>
public sealed class BatchSizeTests
{
    private const int P = 500;

    [Theory]
    [InlineData(4.0)]  // all three beyond the noise
    [InlineData(25.0)] // two drown in it
    [InlineData(150.0)] // all
    public void Within_five_percent_spikes_move_as_the_law_says(double noise)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] spikes = [8, 3, -4];
        const double Batch = 4;
        Tensor H = Diagonal([.. spikes, .. new double[P - spikes.Length]]);
        BatchSizeLaw law = new(spikes[0], spikes[^1], noise);
        Tensor values = linalg.eigvalsh(H.add(Goe(P, Math.Sqrt(noise / Batch / P), 3)));
        Assert.Equal(law.LargestAt(Batch), values.max().ToDouble(), 0.05 * law.LargestAt(Batch));
        Assert.Equal(law.SmallestAt(Batch), values.min().ToDouble(), 0.05 * -law.SmallestAt(Batch));
    }

    [Fact]
    public void With_a_finite_data_set_batches_without_replacement_have_less_noise_as_the_law_says()
    {
        using DisposeScope scope = NewDisposeScope();
        const int N = 24, Size = 300;
        const double Noise = 20;
        Tensor[] samples = [.. Enumerable.Range(0, N).Select(i => Goe(Size, Math.Sqrt(Noise / Size), (ulong)i))];
        Tensor mean = stack(samples).mean([0]), H = Diagonal([5, .. new double[Size - 2], -4]);
        foreach (int b in (int[])[6, 12, 20, 24])
        {
            Tensor batch = stack(samples.Take(b)).mean([0]).sub(mean).add(H); // of N samples whose mean is H exactly
            BatchSizeLaw law = new(5, -4, Noise, N);
            Tensor values = linalg.eigvalsh(batch);
            Assert.Equal(law.LargestAt(b), values.max().ToDouble(), 0.05 * law.LargestAt(b));
            Assert.Equal(law.SmallestAt(b), values.min().ToDouble(), 0.05 * -law.SmallestAt(b));
        }
    }

    [Fact]
    public void The_law_has_two_regimes_that_meet_at_the_critical_batch()
    {
        BatchSizeLaw law = new(Largest: 2, Smallest: -0.5, Noise: 400), finite = law with { Samples = 300 };
        Assert.Equal(100, law.CriticalBatch);
        Assert.Equal(75, finite.CriticalBatch, 1e-12);
        Assert.Equal(4, finite.LargestAt(finite.CriticalBatch), 1e-9);
        Assert.Equal(4, law.LargestAt(100), 1e-12);
        Assert.Equal(4, law.LargestAt(100 + 1e-9), 1e-6);
        Assert.Equal(2, law.RateFactor(from: 4, to: 16), 1e-12);                  // far below: the root of the batch size
        Assert.Equal(Math.Sqrt(2), law.RateFactor(4, 16, adaptive: true), 1e-12);
        Assert.Equal(1, law.RateFactor(1e9, 1e12), 1e-6);                         // far above: flat
        Assert.Equal(2, finite.LargestAt(300));
        Assert.Equal(0.5, finite.Damping(300));
        Assert.Equal(2 * 20 / 5.0, law.Damping(25), 1e-12);
        Assert.Equal(2 / law.LargestAt(7), law.MaximalRate(7));
        Assert.Equal(0, new BatchSizeLaw(0, 0, 0, 10).LargestAt(5));
        Assert.True(double.IsNaN(new BatchSizeLaw(double.NaN, 0, 1).LargestAt(5)));
        Assert.Throws<CurvatureException>(() => law.LargestAt(0));
    }

    [Fact]
    public void Noise_is_what_the_samples_hessians_differ_by()
    {
        using DisposeScope scope = NewDisposeScope();
        const int N = 240, Size = 12;
        Tensor samples = Samples(N, Size, noise: 3);
        Tensor mean = samples.mean([0]), apart = samples.sub(mean), u = linalg.eigh(mean).Item2.select(1, Size - 1);
        double unbiased = N / (N - 1.0), isotropic = unbiased * apart.square().sum().ToDouble() / N / Size;
        Tensor seen = apart.matmul(u), along = seen.mv(u);
        double parallel = unbiased * along.square().sum().ToDouble() / N, transverse = (unbiased * seen.square().sum().ToDouble() / N) - parallel;

        using Dataset data = Numbered(N);
        HessianNoise noise = HessianNoise.Of(Quadratic(samples, data.Batches(3), Size), 3, u, probes: 2, seed: 1);
        Within(noise.Isotropic, isotropic);
        Within(noise.Transverse!, transverse);
        Within(noise.Along!, parallel);
        Assert.Equal(20, noise.Isotropic.Samples);                                // groups of four of the eighty batches
        Assert.Equal(0, noise.VarianceAt(N, N));
        Assert.Equal(noise.Isotropic.Value / 8, noise.VarianceAt(8), 1e-12);
        Assert.Null(HessianNoise.Of(Quadratic(samples, data.Batches(3), Size), 3).Along);
        Assert.Contains("smaller batches", Assert.Throws<CurvatureException>(() => HessianNoise.Of(Quadratic(samples, data.Batches(N), Size), N)).Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => HessianNoise.Of(Quadratic(samples, data.Batches(3), Size), 3, zeros(3, device: Here)));
        Objective sum = Quadratic(samples, data.Batches(3), Size, Curvature.Objectives.Reduction.Sum);
        Assert.Contains("Reduction.Mean", Assert.Throws<CurvatureException>(() => HessianNoise.Of(sum, 3)).Message, StringComparison.Ordinal);
        Assert.Contains("Reduction.Mean", Assert.Throws<CurvatureException>(() => new BatchSizeStudy().Measure(data, _ => sum)).Message, StringComparison.Ordinal);
        StabilityStudy stability = new(OptimizerSetting.Of("sgd", batchSize: 3));
        Assert.Contains("Reduction.Mean", Assert.Throws<CurvatureException>(() => stability.Measure(data, _ => sum)).Message, StringComparison.Ordinal);

        static void Within(Curvature.Estimators.Estimate estimate, double expected)
        {
            Assert.InRange(estimate.Value, expected - (4 * estimate.StandardError), expected + (4 * estimate.StandardError));
            Assert.True(estimate.StandardError < 0.3 * expected, $"{estimate}");
        }
    }

    [Fact]
    public void A_study_measures_what_the_law_predicts_where_noise_is_a_random_matrix()
    {
        using DisposeScope scope = NewDisposeScope();
        const int N = 128, Size = 60;
        Tensor samples = Samples(N, Size, noise: 60);
        using Dataset data = Numbered(N);
        List<(int Done, int Total)> told = [];
        BatchSizeStudy study = new() { Sizes = [4, 16, 64, 4096], Draws = 4, Seed = 2 };
        BatchSizeMeasurement found = study.Measure(data, batches => Quadratic(samples, batches, Size), chunk: 50, new Reference.ToldProgress(p => told.Add((p.Done, p.Total))));

        Tensor exact = linalg.eigvalsh(samples.mean([0]));
        Assert.Equal(exact.max().ToDouble(), found.Largest.Value, 1e-3 * found.Largest.Value);
        Assert.Equal(exact.min().ToDouble(), found.Smallest.Value, 2e-2 * found.Largest.Value);
        Assert.Equal([4, 16, 64, N], found.Measured.Select(size => size.BatchSize));
        Assert.Equal(told[^1].Total, told[^1].Done);
        Assert.Equal((found.Largest.Value, 0), (found.Measured[^1].Largest.Value, found.Measured[^1].Largest.StandardError));

        // A bulk of sixty eigenvalues ends some percent short of its limit.
        foreach (BatchEigenvalues size in found.Measured)
        {
            Assert.Equal(found.Isotropic.LargestAt(size.BatchSize), size.Largest.Value, 0.12 * size.Largest.Value);
            Assert.Equal(found.Isotropic.SmallestAt(size.BatchSize), size.Smallest.Value, 0.12 * size.Largest.Value);
        }

        Assert.All(found.Measured, size => Assert.True(size.Converged));
        BatchSizeMeasurement few = (study with { Sizes = [16, N], Draws = 2, MaxProducts = 4 }).Measure(data, batches => Quadratic(samples, batches, Size), chunk: 50);
        Assert.All(few.Measured, size => Assert.False(size.Converged));
        Finding finding = Assert.Single(KnownFindings.Examine(new SharpnessSummary { Parameters = Size, BatchSizes = few }), f => f.Id == "not-converged");
        Assert.Equal((Severity.Warning, true), (finding.Severity, finding.Message.Contains("batches of 16, 128", StringComparison.Ordinal)));

        Assert.Equal(4, found.HoldsFrom(found.Isotropic));
        Assert.Null((found with { Measured = [.. found.Measured.Select(size => size with { Largest = size.Largest with { Value = double.NaN } })] }).HoldsFrom(found.Isotropic));
        Assert.Equal(found, study.Measure(data, batches => Quadratic(samples, batches, Size), chunk: 50) with { Measured = found.Measured });
        Assert.Throws<CurvatureException>(() => (study with { Sizes = [] }).Measure(data, batches => Quadratic(samples, batches, Size)));
    }

    /// <summary><c>H_i</c> = spikes + a random matrix, <c>[n, size, size]</c>.</summary>
    private static Tensor Samples(int n, int size, double noise)
    {
        Tensor H = Diagonal([6, 2, .. new double[size - 3], -1]);
        return stack(Enumerable.Range(0, n).Select(i => H.add(Goe(size, Math.Sqrt(noise / size), (ulong)i))));
    }

    /// <summary>Sample i is the number i.</summary>
    private static Dataset Numbered(int n)
    {
        long[] numbers = [.. Enumerable.Range(0, n).Select(i => (long)i)];
        return new Dataset(tensor(numbers, device: Here).unsqueeze(1), tensor(numbers, device: Here), "numbers");
    }

    /// <summary><c>mean_i theta^T H_i theta / 2</c>.</summary>
    private static Objective Quadratic(Tensor samples, IReadOnlyList<Batch> batches, int size, Curvature.Objectives.Reduction reduction = Curvature.Objectives.Reduction.Mean)
    {
        Parameter theta = new(ones(size, ScalarType.Float64, device: Here));
        return Objective.FromClosure(
            new ParameterSpace([("theta", theta)]),
            batches,
            batch => samples.index_select(0, batch.Targets).mean([0]).mv(theta).dot(theta).div(2),
            batch => batch.Targets.numel(),
            reduction: reduction);
    }

    /// <summary>A symmetric matrix of normal entries of this deviation (root two of it on the diagonal).</summary>
    private static Tensor Goe(int size, double deviation, ulong seed)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(seed + 1);
        Tensor a = empty([size, size], ScalarType.Float64).normal_(0, deviation / Math.Sqrt(2), generator).to(Here);
        return a.add(a.t()).MoveToOuterDisposeScope();
    }

    private static Tensor Diagonal(double[] values) => tensor(values, device: Here).diag();
}

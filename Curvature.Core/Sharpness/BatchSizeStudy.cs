using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// Draws mini-batches of several sizes, measures the ends of their Hessians' spectra and the noise between samples, and sets both beside <see cref="BatchSizeLaw"/>.
/// Cost: some 30 products with each batch drawn and with the full data, and a pass of products for the noise.
/// </summary>
public sealed record BatchSizeStudy
{
    // Batches of the noise, and samples that tell it well enough.
    private const int NoiseBatch = 32, NoiseSamples = 8192;

    // Batches of fewer samples scatter more and cost less: all sizes below get as many samples as this one, up to so many times its draws.
    private const double Middle = 1024, MostTimes = 4;

    private const int FewestDraws = 2;

    /// <value>Batch sizes; those of N or more are the full data, once. Default 32 to 2,048 by factors of four.</value>
    public IReadOnlyList<int> Sizes { get; init; } = [32, 128, 512, 2048];

    /// <value>Batches of 1,024 drawn; of smaller ones more in proportion, up to four times as many, of larger ones fewer, and never fewer than 2. Default 6.</value>
    public int Draws { get; init; } = 6;

    /// <value>Residual of an eigenvalue relative to the largest magnitude. Default 1e-3; the eigenvalue's error is far smaller.</value>
    public double Tolerance { get; init; } = 1e-3;

    /// <value>Products with a batch, at most. Default 60.</value>
    public int MaxProducts { get; init; } = 60;

    /// <value>Seed of batches, directions and start vectors.</value>
    public int Seed { get; init; }

    /// <value>Where the products of the eigenvalues are recorded, to go on from after the process was killed; null (default): nowhere. Those of the noise are made again.</value>
    public ProductJournal? Journal { get; init; }

    /// <summary>About how many samples are multiplied with: what this costs in units of one sample's share of a Hessian product.</summary>
    /// <param name="samples">N.</param>
    public double SampleProducts(long samples)
    {
        const int Usual = 30;
        return (Usual * (samples + Sizes.Sum(size => (double)DrawsOf(size, samples) * Math.Min(size, samples)))) + (6 * Math.Min(samples, NoiseSamples));
    }

    /// <summary>Measures.</summary>
    /// <param name="data">The samples; stay the caller's.</param>
    /// <param name="objective">The objective over some batches.</param>
    /// <param name="chunk">Samples computed at once, which the result does not depend on.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two products.</param>
    /// <exception cref="CurvatureException">No size, a size below 1, so few samples that there are no two batches, or an objective that sums its terms.</exception>
    /// <exception cref="NonFiniteException">A product is NaN or infinite.</exception>
    public BatchSizeMeasurement Measure(
        Dataset data, Func<IReadOnlyList<Batch>, Objective> objective, int chunk = 256, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(objective);
        if (Sizes.Count == 0 || Sizes.Min() < 1 || Draws < FewestDraws || MaxProducts < FewestDraws || !(Tolerance > 0))
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected batch sizes of at least 1, Draws and MaxProducts of at least 2 and Tolerance > 0; got [{string.Join(", ", Sizes)}], {Draws}, {MaxProducts} and {Tolerance}."));
        }

        int[] sizes = [.. Sizes.Select(size => (int)Math.Min(size, data.Count)).Distinct().Order()];
        int total = 2 + sizes.Sum(size => DrawsOf(size, data.Count)), done = 0;
        double sampleProducts = 0;
        void Tell(double spent)
        {
            sampleProducts += spent;
            progress?.Report(new ProductProgress("batch sizes", ++done, total));
        }

        (SpectrumEnds Ends, long Parameters) Ends(Dataset samples, int most)
        {
            using DisposeScope scope = NewDisposeScope();
            using HessianOperator computed = new(objective(samples.Batches(chunk)).RequireMean("A study of batch sizes"), new CurvatureOptions { Cancellation = cancellation });
            LinearOperator hessian = Journal?.Record(computed, "batch sizes") ?? (LinearOperator)computed;
            SpectrumEnds ends = SpectrumEnds.Of(hessian, Tolerance, most, Seed, cancellation);
            Tell((double)ends.Products * samples.Count);
            return (ends, hessian.Columns);
        }

        (SpectrumEnds full, long parameters) = Ends(data, 2 * MaxProducts);
        using SpectrumEnds owned = full;
        HessianNoise noise = Noise(data, objective, full.Vector, cancellation);
        Tell(2.0 * Math.Min(data.Count, NoiseSamples));

        List<BatchEigenvalues> measured = [];
        foreach (int size in sizes)
        {
            List<double> largest = [], smallest = [];
            bool converged = size < data.Count || (full.Largest.Converged && full.Smallest.Converged);
            for (int draw = 0; size < data.Count && draw < DrawsOf(size, data.Count); draw++)
            {
                using Dataset batch = data.Sample(size, unchecked((Seed * 7919) + (size * 31) + draw));
                using SpectrumEnds ends = Ends(batch, MaxProducts).Ends;
                largest.Add(ends.Largest.Value);
                smallest.Add(ends.Smallest.Value);
                converged &= ends.Largest.Converged && ends.Smallest.Converged;
            }

            BatchEigenvalues found = size == data.Count
                ? new BatchEigenvalues(size, Estimate.Exact(full.Largest.Value, full.Products), Estimate.Exact(full.Smallest.Value, full.Products))
                : new BatchEigenvalues(size, Estimate.FromSamples(largest, largest.Count), Estimate.FromSamples(smallest, smallest.Count));
            measured.Add(found with { Converged = converged });
        }

        return new BatchSizeMeasurement(data.Count, parameters, full.Largest, full.Smallest, noise, measured, sampleProducts / data.Count);
    }

    private int DrawsOf(int size, long samples) => size >= samples ? 0 : Math.Max(FewestDraws, (int)(Draws * Math.Min(Middle / size, MostTimes)));

    /// <summary>The noise over disjoint small batches in random order.</summary>
    private HessianNoise Noise(Dataset data, Func<IReadOnlyList<Batch>, Objective> objective, Tensor direction, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] order = [.. Enumerable.Range(0, (int)data.Count).Select(i => (long)i)];
        new Random(Seed).Shuffle(order);
        Tensor rows = tensor(order[..(int)Math.Min(order.Length, NoiseSamples)]).to(data.Inputs.device);
        using Dataset shuffled = new(data.Inputs.index_select(0, rows), data.Targets.index_select(0, rows), data.Name);
        int size = (int)Math.Clamp(shuffled.Count / 16, 1, NoiseBatch);
        return HessianNoise.Of(objective(shuffled.Batches(size)), size, direction, seed: Seed, cancellation: cancellation);
    }
}

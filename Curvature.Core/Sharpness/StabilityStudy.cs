using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// Measures where an optimizer stands at a checkpoint: the sharpness that its rule is about, and with a batch size what the noise of mini-batches adds.
/// Cost: 20 to 60 Hessian products; for an adaptive rule as many again and a pass of batch gradients; with a batch size a trace of <see cref="Probes"/> products and three passes of fresh products.
/// <para>
/// A checkpoint holds no optimizer state: for an adaptive rule <c>P = sqrt(mean_B g_B^2) + eps</c> over the batches' gradients there, what the state would settle to if the parameters stood still.
/// </para>
/// </summary>
/// <param name="Setting">What is used.</param>
public sealed record StabilityStudy(OptimizerSetting Setting)
{
    private const int NoiseBatch = 32;

    /// <value>Products for an eigenvalue, at most. Default 100.</value>
    public int MaxProducts { get; init; } = 100;

    /// <value>Probes of the trace. Default 16.</value>
    public int Probes { get; init; } = 16;

    /// <value>Batches whose sharpness and gradients are looked at, at most. Default 256.</value>
    public int MaxBatches { get; init; } = 256;

    /// <value>Seed of everything drawn.</value>
    public int Seed { get; init; }

    /// <value>Where the full data's products are recorded, to go on from after the process was killed; null (default): nowhere. Those of mini-batches are made again.</value>
    public ProductJournal? Journal { get; init; }

    /// <summary>Measures.</summary>
    /// <param name="data">The samples; stay the caller's.</param>
    /// <param name="objective">The objective over some batches.</param>
    /// <param name="chunk">Samples computed at once where the result does not depend on it.</param>
    /// <param name="progress">Told after each product.</param>
    /// <param name="cancellation">Ends between two products.</param>
    /// <exception cref="CurvatureException">Batches of fewer samples than all, and an objective that sums its terms.</exception>
    /// <exception cref="NonFiniteException">A gradient or product is NaN or infinite.</exception>
    public StabilitySummary Measure(
        Dataset data, Func<IReadOnlyList<Batch>, Objective> objective, int chunk = 256, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(objective);
        using DisposeScope scope = NewDisposeScope();
        long batchSize = Math.Min(Setting.BatchSize ?? data.Count, data.Count);
        Objective all = objective(data.Batches(chunk));
        using HessianOperator computed = new(batchSize < data.Count ? all.RequireMean("Stability with mini-batches") : all, new CurvatureOptions { Cancellation = cancellation });
        LinearOperator hessian = Journal?.Record(computed, "stability") ?? (LinearOperator)computed;
        LanczosEigensolver solver = new() { Count = 1, Which = Spectrum.Largest, MaxProducts = MaxProducts, Tolerance = 1e-4, Seed = Seed };
        using Eigenpairs top = solver.Solve(hessian, progress, cancellation);
        StabilitySummary summary = new() { Setting = Setting, Sharpness = top.Values[0], Samples = data.Count, Parameters = hessian.Columns };

        if (Setting.Rule.IsAdaptive)
        {
            using DiagonalOperator root = new(Preconditioner(data, objective, batchSize, cancellation).pow(-0.5));
            using CongruenceOperator seen = new(hessian, root);
            using Eigenpairs preconditioned = solver.Solve(seen, progress, cancellation);
            summary = summary with { PreconditionedSharpness = preconditioned.Values[0] };
        }

        if (batchSize == data.Count)
        {
            return summary with { Products = hessian.Products };
        }

        using Dataset shuffled = Shuffled(data);
        int size = (int)Math.Clamp(data.Count / 16, 1, Math.Min(batchSize, NoiseBatch));
        Estimate trace = new HutchinsonTrace { MaxProbes = Probes, Seed = Seed }.Estimate(hessian, all.Parameters, progress, cancellation).Total;
        HessianNoise noise = HessianNoise.Of(objective(shuffled.Batches(size)), size, top.Vectors.select(1, 0), seed: Seed, progress: progress, cancellation: cancellation);
        BatchSharpness along = BatchSharpness.Of(objective(Some(shuffled, batchSize)), MaxBatches, progress, cancellation);
        double ofBatches = ((double)size * (noise.Isotropic.Products + (noise.Along?.Products ?? 0))) + ((double)batchSize * along.MeanOfRatios.Products);
        return summary with { Trace = trace, Noise = noise, BatchSharpness = along, Products = hessian.Products + (ofBatches / data.Count) };
    }

    /// <summary><c>sqrt(mean_B g_B^2) + eps</c>, <c>[P]</c>.</summary>
    private Tensor Preconditioner(Dataset data, Func<IReadOnlyList<Batch>, Objective> objective, long batchSize, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset shuffled = Shuffled(data);
        IReadOnlyList<Batch> batches = Some(shuffled, batchSize);
        Tensor? squares = null;
        int count = (int)Math.Min(batches.Count, MaxBatches);
        for (int i = 0; i < count; i++)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor square = objective([batches[i]]).Gradient(cancellation).square();
            squares = (squares is null ? square : squares.add(square)).MoveToOuterDisposeScope();
        }

        return squares!.div_(count).sqrt().add_(Setting.Epsilon).MoveToOuterDisposeScope();
    }

    /// <summary>The whole batches, without the rest at the end.</summary>
    private static IReadOnlyList<Batch> Some(Dataset shuffled, long size)
    {
        IReadOnlyList<Batch> batches = shuffled.Batches(size);
        return shuffled.Count % size == 0 ? batches : [.. batches.Take(batches.Count - 1)];
    }

    private Dataset Shuffled(Dataset data)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] order = [.. Enumerable.Range(0, (int)data.Count).Select(i => (long)i)];
        new Random(Seed).Shuffle(order);
        Tensor rows = tensor(order).to(data.Inputs.device);
        return new Dataset(data.Inputs.index_select(0, rows), data.Targets.index_select(0, rows), data.Name);
    }
}

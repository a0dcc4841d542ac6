using Curvature.Operators;

namespace Curvature.Estimators;

/// <summary>
/// What a planned measurement takes, before it starts: seconds and bytes from its <see cref="Plan"/>, the size of model and data, the number of ranks, and a short measurement of a product (<see cref="Product"/>) and of the
/// machine (<see cref="Speed"/>). With P parameters of s bytes, N samples, R ranks of which the busiest has <c>n = B ceil(N / (B R))</c> samples in batches of B, and M and W bytes a second of vectors and between ranks:
/// <para>
/// A pass with k vectors: <c>graphs of the samples not kept + k products of n samples + 2 (R - 1) / R k P s / W</c>, the last a sum over ranks in rings (Patarasuk and Yuan 2009, Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations).
/// A trace of m probes: <c>m / 8</c> passes with 8 vectors; where quadratic forms are not made of products (<see cref="ProductCost.Form"/>), at what they cost, and without that sum. A density of r runs and j steps: j passes with r vectors, and <c>2 j^2 r P s / M</c> to orthogonalise twice. Eigenvalues of q products: q passes with one vector, and
/// <c>6 b P s q / M</c> for a basis of b vectors.
/// </para>
/// <para>
/// Memory of a rank: the weights, their copies in the operator and while a product is summed; the data, whole in one process and of several ranks to each the samples it goes over; graphs of the samples kept, and one batch at least; and the vectors of the hungriest part, as the parts follow
/// each other: 32 for a trace (and <see cref="ProbeVectors"/>), <c>j r + 6 r</c> for a density, <c>4 b / 3 + 6</c> for eigenvalues. A checkpoint takes <c>P s</c> a product on the disk of rank 0, and <see cref="FormBytes"/> (some 8 t + 11 for t tensors of parameters) a quadratic form (<see cref="TraceByForms"/>).
/// </para>
/// </summary>
public sealed record JobCost
{
    /// <summary>Vectors that a pass of probes takes: the probes, their products, and what is made of both.</summary>
    public const int TraceVectors = 4 * HutchinsonTrace.ProbesPerPass;

    private const int VectorsOfRun = 6, Copies = 3;

    // Passes over a basis in a step of Lanczos with restarts: orthogonalising twice reads it four times, restarts and residuals come to two more.
    private const double BasisPasses = 6;

    /// <value>The work.</value>
    public required WorkPlan Plan { get; init; }

    /// <value>Seconds of a product on one rank, and bytes of its graph.</value>
    public required ProductCost Product { get; init; }

    /// <value>P.</value>
    public required long Parameters { get; init; }

    /// <value>Of the machine that each rank runs on.</value>
    public required MachineSpeed Speed { get; init; }

    /// <value>s, bytes of a parameter. Default 4.</value>
    public int ElementSize { get; init; } = 4;

    /// <value>Bytes of all weights and buffers, those not looked at included; null (default): P s.</value>
    public double? ModelBytes { get; init; }

    /// <value>Bytes of a sample and its target. Default 0.</value>
    public double SampleBytes { get; init; }

    /// <value>Samples in the data, whether or not they are looked at: one process reads them all, of several ranks each its share of those looked at. Null (default): those of the plan.</value>
    public long? Samples { get; init; }

    /// <value>B. Default 256.</value>
    public int BatchSize { get; init; } = 256;

    /// <value>R. Default 1.</value>
    public int Ranks { get; init; } = 1;

    /// <value>b. Default 40.</value>
    public int BasisSize { get; init; } = 40;

    /// <value>Whether the trace asks for quadratic forms, as <see cref="HutchinsonTrace"/> does, and not for products. Default false.</value>
    public bool TraceByForms { get; init; }

    /// <value>t, tensors that the parameters are in; a quadratic form has a number for each. Default 1.</value>
    public int Tensors { get; init; } = 1;

    /// <value>Vectors that probes keep beside those of a pass, as for the sum of a diagonal's squares. Default 0.</value>
    public int ProbeVectors { get; init; }

    /// <value>Products for each of the plan's: more where the same is measured of every layer. Default 1.</value>
    public double Repeats { get; init; } = 1;

    /// <value>The same on the disk, where a layer's product takes its own length alone: 2 for a network and all its layers, 0 where nothing is kept. Null (default): <see cref="Repeats"/>.</value>
    public double? RepeatsOnDisk { get; init; }

    /// <value>Seconds of each product beside the model's, such as writing it to a disk; quadratic forms, of which next to nothing is written, have none. Default 0.</value>
    public double SecondsBeside { get; init; }

    /// <summary>n, samples of the busiest rank.</summary>
    public long SamplesOfRank => Math.Min(Plan.Samples, BatchSize * (long)Math.Ceiling(Math.Ceiling((double)Plan.Samples / BatchSize) / Ranks));

    /// <summary>Seconds, part by part; parts that are not planned are left out.</summary>
    public IReadOnlyList<CostPart> Time =>
    [
        .. new CostPart[]
        {
            new("trace", Trace),
            new("density", Passes(Plan.Steps, Plan.Steps * Plan.Runs, SecondsBeside) + (2.0 * Plan.Steps * Plan.Steps * Plan.Runs * VectorBytes / Speed.VectorBytes)),
            new("eigenvalues", Passes(Plan.EigenProducts, Plan.EigenProducts, SecondsBeside) + (BasisPasses * BasisSize * Plan.EigenProducts * VectorBytes / Speed.VectorBytes)),
        }.Where(part => part.Amount > 0).Select(part => part with { Amount = part.Amount * Repeats }),
    ];

    /// <summary>Seconds in all.</summary>
    public double Seconds => Time.Sum(part => part.Amount);

    /// <summary>Bytes on each rank, part by part; of the vectors only the hungriest part counts, since they are not needed at the same time.</summary>
    public IReadOnlyList<CostPart> Memory =>
    [
        new("weights and their copies", (ModelBytes ?? VectorBytes) + (Copies * VectorBytes)),
        new("data", SampleBytes * (Ranks > 1 ? SamplesOfRank : Samples ?? Plan.Samples)),
        new("graphs", Product.GraphBytes * Math.Max(Math.Min(SamplesOfRank, Product.Kept), Math.Min(BatchSize, SamplesOfRank))),
        Vectors.MaxBy(part => part.Amount),
    ];

    /// <summary>Bytes on each rank.</summary>
    public double Bytes => Memory.Sum(part => part.Amount);

    /// <summary>Bytes on each rank that nothing can be given up of without another plan or batch size: with the graphs of one batch alone, and without <see cref="ProbeVectors"/>.</summary>
    public double LeastBytes => (this with { Product = Product with { Kept = 0 }, ProbeVectors = 0 }).Bytes;

    /// <summary>Bytes of a checkpoint.</summary>
    public double CheckpointBytes => ((Plan.Products - Forms) * VectorBytes * (RepeatsOnDisk ?? Repeats)) + (Forms * FormBytes(Tensors) * Repeats);

    /// <summary>Bytes of a quadratic form in a checkpoint: a number for each tensor, and its share of what a record of several forms has besides.</summary>
    /// <param name="tensors">t.</param>
    public static double FormBytes(int tensors) => ((double)sizeof(double) * tensors) + ((double)ProductJournal.RecordBytes / HutchinsonTrace.ProbesPerPass);

    private int Forms => TraceByForms ? Plan.Probes : 0;

    private double VectorBytes => (double)Parameters * ElementSize;

    private double Trace => TraceByForms && Product.Form is not null
        ? (Plan with { Samples = SamplesOfRank }).TraceSeconds(Product, Plan.Probes)
        : Passes((int)Math.Ceiling((double)Plan.Probes / HutchinsonTrace.ProbesPerPass), Plan.Probes, TraceByForms ? 0 : SecondsBeside);

    private CostPart[] Vectors =>
    [
        new("vectors of the trace", Plan.Probes == 0 ? 0 : (TraceVectors + ProbeVectors) * VectorBytes),
        new("vectors of the density", Plan.Runs * (Plan.Steps + (double)VectorsOfRun) * VectorBytes),
        new("vectors of the eigenvalues", Plan.EigenProducts == 0 ? 0 : ((4.0 * BasisSize / 3) + VectorsOfRun) * VectorBytes),
    ];

    /// <summary>The fewest ranks with which the time is at most <paramref name="seconds"/>; null where no number of them is enough, because what each does alone takes longer.</summary>
    public int? RanksFor(double seconds)
    {
        long most = (long)Math.Ceiling((double)Plan.Samples / BatchSize);
        for (long ranks = 1; ranks <= most; ranks *= 2)
        {
            if ((this with { Ranks = (int)ranks }).Seconds <= seconds)
            {
                return (int)ranks;
            }
        }

        return null;
    }

    private double Passes(int passes, int vectors, double beside) => vectors == 0 ? 0 :
        Product.Seconds(SamplesOfRank, passes, vectors) + (vectors * (beside + (2.0 * (Ranks - 1) / Ranks * VectorBytes / Speed.RankBytes)));
}

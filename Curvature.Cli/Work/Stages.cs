using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>
/// Measures one quantity after the other, of the whole matrix and then of each layer's block. What a stage took tells what a product really
/// costs here, and the stages after it are fitted into the time that is left.
/// </summary>
/// <param name="wanted">The quantities.</param>
/// <param name="plan">How much work they may take.</param>
/// <param name="cost">Cost of a product, as timed on one batch.</param>
/// <param name="secondsLeft">Time that is left for everything.</param>
/// <param name="vectorsInMemory">Vectors of the parameters' length that there is room for.</param>
/// <param name="record">Where products are kept.</param>
/// <param name="progress">Told of every product.</param>
/// <param name="cancellation">Stops between two products.</param>
internal sealed class Stages(
    Quantities wanted,
    WorkPlan plan,
    ProductCost cost,
    Func<double> secondsLeft,
    Func<int> vectorsInMemory,
    JobRecord record,
    IProgress<ProductProgress> progress,
    CancellationToken cancellation) : IDisposable
{
    // Shorter stages say more about warming up than about the machine.
    private const double Telling = 1;

    // Products for each eigenvalue that are made whatever the time, so that there is something to show, and how many at most: where they do not suffice for all eigenvalues a finding says so.
    private const int Threefold = 3, MostBeyondTime = 1000;

    private int _operatorsLeft;
    private int _vectorsInMemory;

    /// <summary>The plan as it was carried out.</summary>
    public WorkPlan Plan { get; private set; } = plan;

    /// <summary>Products made, those of the layers' blocks included.</summary>
    public int Products { get; private set; }

    /// <summary>What was left out for want of time or memory beside what the plan says, one phrase each.</summary>
    public IReadOnlyList<string> Cuts { get; private set; } = [];

    /// <summary>What was left out for want of memory, where another budget would change nothing.</summary>
    public IReadOnlyList<Finding> LeftOut { get; private set; } = [];

    /// <summary>Samples computed at once.</summary>
    public int Chunk { get; init; } = 256;

    /// <summary>What goes into a file of its own, for the whole matrix.</summary>
    public IReadOnlyList<(string Name, Tensor Value)> Vectors { get; private set; } = [];

    /// <summary>Measures everything that is wanted.</summary>
    public SharpnessSummary Run(Subject subject)
    {
        LinearOperator matrix = subject.Matrix;
        ParameterSpace parameters = subject.Parameters;
        ProductJournal? alone = subject.Objective.Ranks.Count == 1 ? record.Journal : null; // studies of mini-batches are no sums over ranks: each goes through them alone
        _operatorsLeft = 1 + (wanted.MeasuresBlocks ? parameters.Layers.Count : 0);
        _vectorsInMemory = vectorsInMemory(); // at least as many of a block
        (double loss, double gradient) = (subject.Objective.Value(cancellation), GradientNorm(subject.Objective));
        SharpnessSummary summary = Measure(matrix, subject, progress) with { Matrix = subject.Name, Loss = loss, GradientNorm = gradient };
        summary = wanted.MeasuresBlocks ? AddBlocks(summary, subject) : summary;
        summary = wanted.Stability is { } stability ? summary with { Stability = (stability with { Journal = alone }).Measure(subject.Data.All(), subject.Over, Chunk, progress, cancellation) } : summary;
        summary = wanted.BatchSizes is { } sizes ? summary with { BatchSizes = (Affordable(sizes, subject.Data.Count) with { Journal = alone }).Measure(subject.Data.All(), subject.Over, Chunk, progress, cancellation) } : summary;
        Products += (int)Math.Round((summary.Stability?.Products ?? 0) + (summary.BatchSizes?.Products ?? 0));
        summary = wanted.Landscape is { } landscape ? summary with { Landscape = Affordable(landscape, subject.Data.Count).Look(subject.Objective, record, progress, cancellation) } : summary;
        Products += summary.Landscape?.Products ?? 0;
        summary = wanted.Exact ? DenseSpectrum.AddTo(summary, matrix, parameters, progress) : summary;
        Products += matrix.Products;
        return summary;
    }

    public void Dispose()
    {
        foreach ((_, Tensor value) in Vectors)
        {
            value.Dispose();
        }
    }

    /// <summary>A study of batch sizes with fewer draws, and then without the largest sizes, until it fits into the time that is left; the smallest size stays.</summary>
    private BatchSizeStudy Affordable(BatchSizeStudy study, long samples)
    {
        const int FewDraws = 2, UsualSteps = 20;
        double graph = cost.Graph / (cost.Kept >= study.Sizes.Max() ? UsualSteps : 1); // a batch's graphs are kept over its products, where they fit into memory
        double affordable = ProductBudget.Fill * Math.Max(0, secondsLeft()) / (graph + cost.Product);
        List<string> cuts = [];
        if (study.SampleProducts(samples) > affordable)
        {
            cuts.Add($"{FewDraws} of {study.Draws} batches of each size");
            study = study with { Draws = FewDraws };
        }

        int[] sizes = [.. study.Sizes.Order()];
        while (study.Sizes.Count > 1 && study.SampleProducts(samples) > affordable)
        {
            study = study with { Sizes = sizes[..(study.Sizes.Count - 1)] };
        }

        if (study.Sizes.Count < sizes.Length)
        {
            cuts.Add($"batch sizes up to {study.Sizes.Max()} of {string.Join(", ", sizes)}");
        }

        Cuts = cuts;
        return study;
    }

    /// <summary>A landscape with fewer points, until it fits into the time that is left; a few stay.</summary>
    private LandscapeWork Affordable(LandscapeWork landscape, long samples)
    {
        const double ShareOfGraph = 0.5; // an evaluation makes no gradient and keeps nothing
        LandscapeWork affordable = landscape.Within(ProductBudget.Fill * Math.Max(0, secondsLeft()) / (ShareOfGraph * cost.Graph * samples));
        Cuts = affordable.Steps == landscape.Steps ? Cuts : [.. Cuts, $"{affordable.Steps} of {landscape.Steps} points along each direction of the landscape"];
        return affordable;
    }

    /// <summary>Each layer's diagonal block: the other parameters stand still.</summary>
    private SharpnessSummary AddBlocks(SharpnessSummary summary, Subject subject)
    {
        var layers = new List<LayerSummary>();
        foreach (ParameterLayer layer in subject.Parameters.Layers)
        {
            using CurvatureOperator computed = subject.Block(layer);
            LinearOperator block = record.Of(computed, $"block {layer.Name}");
            layers.Add(new LayerSummary(layer.Name, Measure(block, subject: null, new LayerProgress(progress, layer.Name)) with { Matrix = summary.Matrix }));
            Products += block.Products;
        }

        return summary.Trace is { } trace
            ? summary with { Trace = trace with { Layers = [.. layers.Select(layer => new LayerTrace(layer.Name, layer.Summary.Parameters, layer.Summary.Trace!.Total))] } }
            : summary with { Layers = layers };
    }

    /// <summary>All quantities of one matrix: that of the subject, or a block of it where there is none.</summary>
    private SharpnessSummary Measure(LinearOperator a, Subject? subject, IProgress<ProductProgress> stage)
    {
        var summary = new SharpnessSummary { Parameters = a.Rows, Which = wanted.Eigenvalues?.Options.Which ?? Spectrum.Both };
        summary = wanted.Trace is { } trace ? summary with { Trace = Measure(trace, a, subject, stage) } : summary;
        summary = wanted.Diagonal is { } diagonal ? summary with { Diagonal = Measure(diagonal, subject!, stage) } : summary;
        summary = wanted.Norm is { } norm ? summary with { Norm = norm.Measure(a, Plan, stage, cancellation) } : summary;
        summary = wanted.LogDeterminant is { } determinant ? summary with { LogDeterminant = Measure(determinant, a, stage) } : summary;
        summary = wanted.Density is { } density ? summary with { Density = Measure(density, a, stage) } : summary;
        if (wanted.Eigenvalues is { } eigenvalues)
        {
            using Eigenpairs pairs = Measure(eigenvalues, a, stage);
            summary = summary with { Eigenvalues = pairs.Values, EigenvaluesWanted = eigenvalues.CountOf(a.Rows), EigenvaluesAreComplete = pairs.IsComplete, EigenvalueRounding = pairs.Rounding };
            Vectors = wanted.VectorFile is not null && subject is not null ? VectorFile.Of(pairs, subject.Parameters) : Vectors;
        }

        _operatorsLeft--;
        return summary;
    }

    private TraceEstimate Measure(TraceWork trace, LinearOperator a, Subject? subject, IProgress<ProductProgress> stage)
    {
        if (trace.IsExact)
        {
            return ExactWork.Trace(subject!, stage, cancellation);
        }

        double before = secondsLeft();
        TraceEstimate estimate = trace.With(Math.Min(Plan.Probes, trace.Probes.For(a.Rows))).Estimate(a, subject?.Parameters, stage, cancellation);
        Calibrate(before - secondsLeft(), Plan.TraceSeconds(cost, estimate.Total.Products));
        if (subject is not null)
        {
            Plan = ProductBudget.Fit(Plan with { Probes = 0 }, cost.Scaled(_operatorsLeft), secondsLeft(), samplesFixed: true) with { Probes = Plan.Probes };
        }

        return estimate;
    }

    private DiagonalSummary Measure(DiagonalWork diagonal, Subject subject, IProgress<ProductProgress> stage)
    {
        ParameterSpace parameters = subject.Parameters;
        bool hasRoom = diagonal.VectorsOfSquares + JobCost.TraceVectors <= _vectorsInMemory;
        using DiagonalEstimate estimate = diagonal.IsExact
            ? ExactWork.Diagonal(subject, stage, cancellation)
            : diagonal.With(Plan.Probes, hasRoom).Estimate(subject.Matrix, stage, cancellation);
        if (!hasRoom && diagonal.VectorsOfSquares > 0 && estimate.SumOfSquares is null)
        {
            LeftOut = [Finding.Of(
                "left-out",
                Severity.Warning,
                $"The diagonal's sum of squares is left out: there is no memory for the {diagonal.VectorsOfSquares} more vectors that it takes. Name fewer --parameters, or take a machine with more memory.",
                ("vectors", diagonal.VectorsOfSquares),
                ("vectors_in_memory", _vectorsInMemory))];
        }

        Vectors = wanted.VectorFile is null ? Vectors : VectorFile.Of(estimate, parameters);
        return DiagonalSummary.Of(estimate, parameters);
    }

    private FunctionEstimate Measure(LogDeterminant determinant, LinearOperator a, IProgress<ProductProgress> stage)
    {
        FunctionTrace quadrature = determinant.Quadrature with { Steps = (int)Math.Min(Plan.Steps, a.Rows), MaxRuns = Plan.Runs };
        return (determinant with { Quadrature = quadrature }).Estimate(a, stage, cancellation);
    }

    private SpectralDensity Measure(StochasticLanczosQuadrature density, LinearOperator a, IProgress<ProductProgress> stage)
    {
        double before = secondsLeft();
        SpectralDensity estimate = (density with { Steps = (int)Math.Min(Plan.Steps, a.Rows), Runs = Plan.Runs }).Estimate(a, stage, cancellation);
        Calibrate(before - secondsLeft(), Plan.DensitySeconds(cost));
        return estimate;
    }

    /// <summary>An iteration ends when it has converged: it may take its share of what is left, and at least what was planned.</summary>
    private Eigenpairs Measure(EigenvalueWork work, LinearOperator a, IProgress<ProductProgress> stage)
    {
        double another = cost.Seconds(Plan.Samples, passes: 2, vectors: 2) - cost.Seconds(Plan.Samples, passes: 1, vectors: 1);
        double affordable = ProductBudget.Fill * secondsLeft() / another / _operatorsLeft;
        int most = work.Options.MaxProducts;
        int least = Math.Min(Math.Max(Plan.EigenProducts, Math.Min(Threefold * work.CountOf(a.Rows), MostBeyondTime)), most);
        return work.With((int)Math.Clamp(affordable, least, most), _vectorsInMemory, a.Rows).Solve(a, new PlannedProgress(stage, Plan.EigenProducts), cancellation);
    }

    private void Calibrate(double seconds, double expected)
    {
        if (seconds > Telling)
        {
            cost = cost.Scaled(seconds / expected);
        }
    }

    private double GradientNorm(Objective objective)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradient = objective.Gradient(cancellation);
        return Math.Sqrt(gradient.dot(gradient).ToDouble());
    }
}

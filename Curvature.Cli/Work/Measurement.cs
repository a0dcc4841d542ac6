using Curvature.Cli.Output;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.Work;

/// <summary>
/// From a request to a report: opens the workspace, times one product, says what it plans, measures stage by stage, and fits each later stage
/// into the time that is left.
/// </summary>
internal sealed class Measurement
{
    private readonly WorkRequest _request;
    private readonly Quantities _wanted;
    private readonly Terminal _terminal;
    private readonly Workspace _work;
    private readonly EnvironmentReport _environment;
    private readonly WorkPlan _whole;
    private readonly int _vectors;
    private ProductCost _cost;
    private WorkPlan _plan;

    private Measurement(WorkRequest request, Quantities wanted, Workspace work, EnvironmentReport environment, Terminal terminal)
    {
        (_request, _wanted, _work, _environment, _terminal) = (request, wanted, work, environment, terminal);
        _cost = work.Time(terminal.Cancellation);
        _whole = wanted.Plan(Math.Min(request.Samples ?? long.MaxValue, work.Data.Count), work.Parameters.Count);
        _vectors = ProductBudget.VectorsInMemory(work.Parameters);
        _plan = ProductBudget.Fit(_whole.WithinMemory(_vectors), _cost, SecondsLeft, samplesFixed: request.Samples is not null);
    }

    private double SecondsLeft => (_request.Budget - _environment.Elapsed).TotalSeconds;

    /// <summary>Measures what is wanted of the model, data and loss that <paramref name="request"/> names.</summary>
    public static SharpnessReport Run(WorkRequest request, Quantities wanted, Terminal terminal)
    {
        var environment = new EnvironmentReport();
        using Workspace work = Workspace.Open(request);
        return new Measurement(request, wanted, work, environment, terminal).Run();
    }

    private SharpnessReport Run()
    {
        var blas = Blas.Measure();
        _environment.AddEngine(blas);
        _terminal.Say(Announcement());
        using Dataset? some = _plan.Samples < _work.Data.Count ? _work.Data.Sample(_plan.Samples, _request.Seed) : null;
        Objective objective = _work.Over(some ?? _work.Data);
        using var hessian = new HessianOperator(objective, new CurvatureOptions { Cancellation = _terminal.Cancellation });
        SharpnessSummary summary = _terminal.Track(progress => Measure(objective, hessian, progress));

        IReadOnlyList<string> cuts = _plan.CutsFrom(_whole);
        Finding?[] circumstances = [blas.SlowFinding(), CutFinding(cuts), ToleranceFinding(summary)];
        return new SharpnessReport
        {
            ModelName = Path.GetFileName(_request.Model),
            DataName = DataName(),
            LossName = _request.Loss,
            Summary = summary,
            Environment = Environment(hessian.Products),
            Command = _request.CommandLine,
            Cuts = cuts,
            Findings = [.. circumstances.OfType<Finding>().Concat(KnownFindings.Examine(summary)).OrderByDescending(finding => finding.Severity)],
        };
    }

    private SharpnessSummary Measure(Objective objective, HessianOperator hessian, IProgress<ProductProgress> progress)
    {
        CancellationToken cancellation = _terminal.Cancellation;
        var summary = new SharpnessSummary { Parameters = hessian.Rows, Loss = objective.Value(cancellation), GradientNorm = GradientNorm(objective) };
        if (_wanted.Trace is { } trace)
        {
            double planned = _cost.Seconds(_plan.Samples, _plan.Probes);
            TimeSpan start = _environment.Elapsed;
            summary = summary with { Trace = (trace with { MaxProbes = _plan.Probes }).Estimate(hessian, null, progress, cancellation) };
            Refit((_environment.Elapsed - start).TotalSeconds, planned);
        }

        if (_wanted.Density is { } density)
        {
            summary = summary with { Density = (density with { Steps = _plan.Steps, Runs = _plan.Runs }).Estimate(hessian, progress, cancellation) };
        }

        if (_wanted.Eigenvalues is { } eigenvalues)
        {
            // An iteration ends when it has converged: it may take what is left, and at least what was planned.
            double affordable = SecondsLeft * ProductBudget.Fill / _cost.Seconds(_plan.Samples, 1);
            int least = Math.Min(Math.Max(_plan.EigenProducts, 3 * _wanted.EigenvaluesWanted), eigenvalues.MaxProducts);
            int products = (int)Math.Clamp(affordable, least, eigenvalues.MaxProducts);
            LanczosEigensolver solver = eigenvalues with { MaxProducts = products, BasisSize = _wanted.BasisSize(_vectors) };
            using Eigenpairs pairs = solver.Solve(hessian, progress, cancellation);
            summary = summary with { Eigenvalues = pairs.Values, EigenvaluesAreComplete = pairs.IsComplete };
        }

        return _wanted.Exact ? DenseSpectrum.AddTo(summary, hessian) : summary;
    }

    /// <summary>A stage that took longer than planned says that the machine is slower than the timed batch: what is left is planned anew.</summary>
    private void Refit(double seconds, double planned)
    {
        if (seconds > Math.Max(planned, 1))
        {
            _cost = _cost.Scaled(seconds / planned);
            _plan = ProductBudget.Fit(_plan with { Probes = 0 }, _cost, SecondsLeft, samplesFixed: true) with { Probes = _plan.Probes };
        }
    }

    private double GradientNorm(Objective objective)
    {
        using TorchSharp.torch.Tensor gradient = objective.Gradient(_terminal.Cancellation);
        using TorchSharp.torch.Tensor square = gradient.dot(gradient);
        return Math.Sqrt(TorchSharp.TensorExtensionMethods.ToDouble(square));
    }

    private string DataName() => _plan.Samples < _work.Data.Count
        ? $"{_request.DataName}, {Format.Count(_plan.Samples)} of {Format.Count(_work.Data.Count)} samples"
        : $"{_request.DataName}, {Format.Count(_plan.Samples)} samples";

    private string Announcement()
    {
        string product = Format.Duration(TimeSpan.FromSeconds(_cost.Seconds(_whole.Samples, 1)));
        string total = Format.Duration(TimeSpan.FromSeconds(_plan.Seconds(_cost)));
        string first = $"one product over {Format.Count(_whole.Samples)} samples takes about {product}";
        IReadOnlyList<string> cuts = _plan.CutsFrom(_whole);
        return cuts.Count == 0
            ? $"{first}; planned: {Quantities.Describe(_plan)}; about {total}"
            : $"{first}; planned to end within {Format.Duration(_request.Budget)}: {Quantities.Describe(_plan)}; about {total}. Cut: {string.Join(", ", cuts)}";
    }

    private Finding? CutFinding(IReadOnlyList<string> cuts) => cuts.Count == 0 ? null : Finding.Of(
        "cut-budget",
        Severity.Warning,
        $"To end within {Format.Duration(_request.Budget)}, and to fit into memory, the work was cut to {string.Join(", ", cuts)}. A larger --budget does more.",
        ("budget_minutes", _request.Budget.TotalMinutes),
        ("cuts", cuts));

    private Finding? ToleranceFinding(SharpnessSummary summary)
    {
        if (_wanted.Trace?.RelativeTolerance is not { } tolerance || summary.Trace is not { Total: var total })
        {
            return null;
        }

        (double low, double high) = total.ConfidenceInterval();
        double reached = (high - low) / 2 / Math.Abs(total.Value);
        return reached <= tolerance ? null : Finding.Of(
            "not-converged",
            Severity.Warning,
            $"The trace reached a tolerance of {Format.Error(reached)} after {Format.Count(total.Products)} probes, not the {Format.Error(tolerance)} asked for.",
            ("tolerance", tolerance),
            ("reached", reached),
            ("probes", total.Products));
    }

    private IReadOnlyList<KeyValuePair<string, object?>> Environment(int products)
    {
        _work.Describe(_environment);
        _environment.Add("samples", _plan.Samples);
        _environment.Add("samples_available", _work.Data.Count);
        _environment.Add("products", products);
        _environment.Add("seconds", Math.Round(_environment.Elapsed.TotalSeconds, 3));
        return _environment.Entries;
    }
}

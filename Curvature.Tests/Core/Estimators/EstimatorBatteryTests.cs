using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

/// <summary>
/// What every estimator of the catalogue owes on the spectra that went wrong elsewhere (zero, a multiple of the identity, two points, rank-deficient, indefinite and others), in both precisions and at scales from 1e-8 to 1e8: the
/// truth within its error. A new estimator needs its line here.
/// </summary>
public sealed class EstimatorBatteryTests(ITestOutputHelper output)
{
    private const int Size = Spectra.Size, Seed = 1;
    private const double Damping = 3.5; // above the lowest eigenvalue of all spectra

    private static readonly Dictionary<string, Func<Case, IEnumerable<Answer>>> Entries = new()
    {
        ["hutchinson"] = c => [Trace(c, KnownTraceEstimators.Create("hutchinson", Options).Estimate(c.A).Total), .. Diagonal(c, new HutchinsonDiagonal { MaxProbes = 24, SumOfSquares = true, Seed = Seed }.Estimate(c.A))],
        ["hutch++"] = c => [Trace(c, KnownTraceEstimators.Create("hutch++", Options).Estimate(c.A).Total)],
        ["xtrace"] = c => [Trace(c, KnownTraceEstimators.Create("xtrace", Options).Estimate(c.A).Total)],
        ["xnystrace"] = c => c.IsSemidefinite ? [Trace(c, KnownTraceEstimators.Create("xnystrace", Options).Estimate(c.A).Total)] : [],
        ["control variate"] = c => ControlVariate(c),
        ["xdiag"] = c => Diagonal(c, KnownDiagonalEstimators.Create("xdiag", Options).Estimate(c.A)),
        ["exact layer traces"] = c => c.IsSemidefinite ? LayerTraces(c) : [],
        ["exact ggn diagonal"] = c => c.IsSemidefinite ? LayerDiagonals(c) : [],
        ["product stream"] = c => Stream(c),
        ["frobenius"] = c => [Of("norm", Math.Sqrt(c.Squares), new FrobeniusNorm { MaxProbes = 24, Seed = Seed }.Estimate(c.A), Math.Sqrt(c.Squares))],
        ["schatten"] = c => [Of("nuclear norm", c.Magnitude, new SchattenNorm { Quadrature = c.Quadrature }.Estimate(c.A), c.Magnitude)],
        ["operator norm"] = c => new OperatorNorm { MaxSteps = 40, Seed = Seed }.Estimate(c.A) is var n
            ? [new Answer("norm", c.Eigenvalues.Max(Math.Abs), (n.Value + n.UpperBound) / 2, (n.UpperBound - n.Value) / 8, c.Eigenvalues.Max(Math.Abs))] : [],
        ["slq"] = c => Density(c),
        ["function trace"] = c => [Of("exponential", c.Eigenvalues.Sum(x => Math.Exp(x / c.Scale)), c.Quadrature.Estimate(c.A, x => Math.Exp(x / c.Scale)), c.Eigenvalues.Sum(x => Math.Exp(x / c.Scale)))],
        ["log-determinant"] = c => [Of("log-determinant", c.Eigenvalues.Sum(x => Math.Log(x + (Damping * c.Scale))),
            new LogDeterminant { Damping = Damping * c.Scale, Quadrature = c.Quadrature }.Estimate(c.A), Size * (1 + Math.Abs(Math.Log(c.Scale))))],
        ["effective dimension"] = c => [Of("effective dimension", c.Eigenvalues.Sum(x => x / (x + (Damping * c.Scale))),
            new EffectiveDimension { Damping = Damping * c.Scale, Quadrature = c.Quadrature }.Estimate(c.A), Size)],
        ["approximation error"] = c => Approximation(c),
    };

    public static TheoryData<string, ScalarType> Cases
    {
        get
        {
            TheoryData<string, ScalarType> data = [];
            foreach (string name in Entries.Keys)
            {
                data.Add(name, ScalarType.Float64);
                data.Add(name, ScalarType.Float32);
            }

            return data;
        }
    }

    private static EstimatorOptions Options => new() { Products = 24, Seed = Seed };

    [Fact]
    public void Every_estimator_of_the_catalogue_is_in_the_battery() =>
        Assert.Equal(KnownEstimators.All.Select(e => e.Name).Distinct().Order(), Entries.Keys.Order());

    [Theory]
    [MemberData(nameof(Cases))]
    public void Is_right_on_every_spectrum_in_both_precisions_at_any_scale(string name, ScalarType dtype)
    {
        double rounding = dtype == ScalarType.Float64 ? 1e-10 : 2e-5;
        List<string> wrong = [];
        foreach ((string spectrum, double[] eigenvalues) in Spectra.All)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor matrix = Matrices.WithSpectrum(eigenvalues, 3, dtype);
            foreach (double scale in (double[])[1, 1e-8, 1e8])
            {
                using Case c = new(matrix.mul(scale), [.. eigenvalues.Select(x => x * scale)], scale);
                foreach (Answer answer in Entries[name](c))
                {
                    if (!(Math.Abs(answer.Value - answer.Exact) <= (4 * answer.Error) + (rounding * answer.Unit)))
                    {
                        wrong.Add($"{spectrum} times {scale}: {answer}");
                    }
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("nuclear norm")]
    [InlineData("log-determinant")]
    [InlineData("effective dimension")]
    public void Functions_of_the_spectrum_are_unbiased_and_their_intervals_cover_as_often_as_they_say(string quantity)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = [30, 5, -3, .. Enumerable.Repeat(1.0, 57), .. new double[40]]; // a run ends after five steps, and is exact
        using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, 6);
        (double exact, Func<FunctionTrace, FunctionEstimate> of) = quantity switch
        {
            "nuclear norm" => (eigenvalues.Sum(Math.Abs), (Func<FunctionTrace, FunctionEstimate>)(q => new SchattenNorm { Quadrature = q }.Estimate(a))),
            "log-determinant" => (eigenvalues.Sum(x => Math.Log(x + Damping)), q => new LogDeterminant { Damping = Damping, Quadrature = q }.Estimate(a)),
            _ => (eigenvalues.Sum(x => x / (x + Damping)), q => new EffectiveDimension { Damping = Damping, Quadrature = q }.Estimate(a)),
        };
        Estimate[] estimates = [.. Enumerable.Range(0, 400).Select(seed => of(new FunctionTrace { Steps = 8, MaxRuns = 8, Seed = seed }).Estimate)];
        DiagonalEstimatorTests.CheckStatistics(estimates, exact, quantity, output);
    }

    [Fact]
    public void Drawn_layer_traces_are_unbiased_and_their_intervals_cover_as_often_as_they_say()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(2);
        using Sequential model = nn.Sequential(("a", nn.Linear(5, 4)), ("relu", nn.ReLU()), ("b", nn.Linear(4, 3))).to(ScalarType.Float64).to(Here);
        Tensor x = randn([12, 5], ScalarType.Float64), y = arange(12).remainder(3);
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(x.to(Here), y.to(Here))]);
        ExactTraceEstimate exact = new ExactLayerTraces().Estimate(objective, model);
        ExactTraceEstimate[] drawn = [.. Enumerable.Range(0, 400).Select(seed => new ExactLayerTraces { Draws = 12, Seed = seed }.Estimate(objective, model))];
        DiagonalEstimatorTests.CheckStatistics([.. drawn.Select(e => e.Total)], exact.Total.Value, "total", output);
        foreach (int layer in (int[])[0, 1])
        {
            DiagonalEstimatorTests.CheckStatistics([.. drawn.Select(e => e.Layers[layer].Trace)], exact.Layers[layer].Trace.Value, exact.Layers[layer].Name, output);
        }
    }

    private static Answer Of(string what, double exact, Estimate e, double unit) => new(what, exact, e.Value, e.StandardError, unit);

    private static Answer Of(string what, double exact, FunctionEstimate e, double unit) => new(what, exact, e.Estimate.Value, e.Estimate.StandardError + (e.QuadratureError / 4), unit);

    private static Answer Trace(Case c, Estimate e) => Of("trace", c.Eigenvalues.Sum(), e, c.Magnitude);

    /// <summary>The vector's error against twice what is stated of it, and the sum of squares.</summary>
    private static IEnumerable<Answer> Diagonal(Case c, DiagonalEstimate estimate)
    {
        using DiagonalEstimate diagonal = estimate;
        Tensor exact = c.Matrix.diagonal().to(ScalarType.Float64);
        double Norm(Tensor x) => x.to(ScalarType.Float64).square().sum().sqrt().ToDouble();
        yield return new Answer("diagonal", 0, Norm(diagonal.Values.to(ScalarType.Float64).sub(exact)), 0.5 * Norm(diagonal.StandardErrors), 10 * c.Eigenvalues.Max(Math.Abs));
        if (diagonal.SumOfSquares is { } squares)
        {
            yield return Of("sum of squares", exact.square().sum().ToDouble(), squares, c.Squares);
        }
    }

    private static IEnumerable<Answer> ControlVariate(Case c)
    {
        using DiagonalOperator half = new(c.Matrix.diagonal().mul(0.5));
        foreach (bool fit in (bool[])[false, true])
        {
            yield return Trace(c, new ControlVariateTrace(half) { MaxProbes = 24, FitCoefficient = fit, Seed = Seed }.Estimate(c.A).Total);
        }
    }

    private static IEnumerable<Answer> Stream(Case c)
    {
        using StreamEstimate stream = new ProductStream { MaxProbes = 24, SumOfSquares = true, Seed = Seed }.Estimate(c.A);
        yield return Trace(c, stream.Trace.Total);
        yield return Of("squared Frobenius norm", c.Squares, stream.FrobeniusSquared, c.Squares);
        foreach (Answer answer in Diagonal(c, stream.Diagonal!))
        {
            yield return answer;
        }
    }

    private static IEnumerable<Answer> Density(Case c)
    {
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 20, Runs = 8, Seed = Seed }.Estimate(c.A);
        yield return Of("first moment", c.Eigenvalues.Sum(), density.Trace(x => x), c.Magnitude);
        yield return Of("second moment", c.Squares, density.Trace(x => x * x), c.Squares);
        double below = c.Eigenvalues.Count(x => x < -SpectralDensity.NearZeroFraction * c.Eigenvalues.Max(Math.Abs)) / (double)Size;
        (double low, double high) = density.NegativeMass().ConfidenceInterval(0.9999);
        yield return new Answer("negative mass", below, (low + high) / 2, (high - low) / 8, 1);
    }

    private static IEnumerable<Answer> Approximation(Case c)
    {
        using DiagonalOperator half = new(c.Matrix.diagonal().mul(0.5));
        double exact = c.Matrix.sub(c.Matrix.diagonal().mul(0.5).diag()).to(ScalarType.Float64).square().sum().sqrt().ToDouble(), whole = Math.Sqrt(c.Squares);
        ErrorBound bound = new ApproximationError { Probability = 0.999, Seed = Seed }.Estimate(c.A, half);
        yield return Of("distance", exact, bound.Norm, whole);
        yield return new Answer("bounds", exact, (bound.Low + bound.High) / 2, (bound.High - bound.Low) / 8, whole);
        yield return Of("relative distance", whole == 0 ? 0 : exact / whole, bound.Relative, 1);
    }

    private static IEnumerable<Answer> LayerTraces(Case c)
    {
        (Sequential model, Objective objective, _) = LeastSquares(c);
        using (model)
        {
            yield return Trace(c, new ExactLayerTraces().Estimate(objective, model).Total);
            yield return Trace(c, new ExactLayerTraces { Draws = 24, Seed = Seed }.Estimate(objective, model).Total);
        }
    }

    private static IEnumerable<Answer> LayerDiagonals(Case c)
    {
        (Sequential model, Objective objective, Tensor ggn) = LeastSquares(c);
        using (model)
        {
            Case own = c with { Matrix = ggn }; // the same operator, of which nothing is asked
            foreach (int? draws in (int?[])[null, 24])
            {
                foreach (Answer answer in Diagonal(own, new GgnDiagonal { Draws = draws, Seed = Seed }.Estimate(objective, model)))
                {
                    yield return answer;
                }
            }
        }
    }

    /// <summary>A linear model without a bias whose squared error has the Gauss-Newton matrix <c>(2 / N) X^T X</c> with the case's eigenvalues.</summary>
    private static (Sequential Model, Objective Objective, Tensor Ggn) LeastSquares(Case c)
    {
        using DisposeScope scope = NewDisposeScope();
        using Tensor q = Matrices.WithSpectrum([.. Enumerable.Range(0, Size).Select(i => (double)i)], 9);
        (_, Tensor vectors) = linalg.eigh(q.cpu());
        Tensor x = vectors.mul(tensor([.. c.Eigenvalues.Select(e => Math.Sqrt(e * Size / 2))])).t().to(c.Matrix.dtype).to(Here);
        Sequential model = nn.Sequential(("fc", nn.Linear(Size, 1, hasBias: false))).to(c.Matrix.dtype).to(Here);
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(x.MoveToOuterDisposeScope(), zeros(Size, 1, c.Matrix.dtype, Here).MoveToOuterDisposeScope())]);
        return (model, objective, x.t().mm(x).mul(2.0 / Size).MoveToOuterDisposeScope());
    }

    /// <summary>One number: it lies within four of its standard errors and rounding, in units of what it is made of.</summary>
    private sealed record Answer(string What, double Exact, double Value, double Error, double Unit);

    /// <summary>A matrix of the battery and what is known of it.</summary>
    private sealed record Case(Tensor Matrix, double[] Eigenvalues, double Scale) : IDisposable
    {
        public MatrixOperator A { get; } = new(Matrix);

        public double Magnitude => Eigenvalues.Sum(Math.Abs);

        public double Squares => Eigenvalues.Sum(x => x * x);

        public bool IsSemidefinite => Eigenvalues.Min() >= 0;

        public FunctionTrace Quadrature { get; } = new() { Steps = 20, MaxRuns = 8, Seed = Seed };

        public void Dispose() => A.Dispose();
    }
}

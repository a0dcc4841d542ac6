using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Sharpness;

/// <summary>Steps, perturbations and batches on quadratics, where all of it is known.</summary>
public sealed class SharpnessMeasuresTests
{
    [Fact]
    public void The_change_of_a_quadratic_is_what_slope_and_curvature_predict()
    {
        using DisposeScope scope = NewDisposeScope();
        (Objective objective, Tensor A, Tensor g) = Quadratic();
        using HessianOperator hessian = new(objective);
        Tensor before = objective.Parameters.Snapshot(), u = g.mul(-0.1);
        DirectionalSharpness step = DirectionalSharpness.Of(hessian, objective, u);

        Assert.Equal(u.norm().ToDouble(), step.Length, 1e-14);
        Assert.Equal(u.dot(g).ToDouble(), step.Slope, 1e-12);
        Assert.Equal(u.dot(A.mv(u)).ToDouble() / u.dot(u).ToDouble(), step.Curvature, 1e-12);
        Assert.Equal(step.PredictedChange, step.ActualChange, 1e-12);
        Assert.True(before.Equals(objective.Parameters.Snapshot()));

        // The best multiple of the step leaves no slope along it.
        DirectionalSharpness best = DirectionalSharpness.Of(hessian, objective, u.mul(step.BestScale));
        Assert.Equal(1, best.BestScale, 1e-10);
        Assert.Throws<CurvatureException>(() => DirectionalSharpness.Of(hessian, objective, zeros_like(u)));
        Assert.Throws<CurvatureException>(() => DirectionalSharpness.Of(hessian, objective, u.mul(double.PositiveInfinity)));
    }

    [Theory]
    [InlineData(-1, 0, double.PositiveInfinity)]
    [InlineData(1, 0, double.NegativeInfinity)]
    [InlineData(0, 0, 0)]
    [InlineData(0, -2, double.PositiveInfinity)] // a ridge: down either way
    [InlineData(1, -2, double.NegativeInfinity)]
    [InlineData(-3, 6, 0.5)]
    public void The_best_multiple_of_a_step_is_infinite_where_the_model_falls_for_ever(double slope, double curvature, double best) =>
        Assert.Equal(best, new DirectionalSharpness(1, slope, curvature, 0).BestScale);

    [Fact]
    public void A_loss_without_curvature_has_none_in_its_batches_and_one_without_slope_counts_as_work_alone()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(2, ScalarType.Float64, device: Here));
        List<(int Done, int Total)> told = [];
        Objective objective = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [1.0, 0.0, 3.0], slope => theta.sum().mul(slope), terms: _ => 1);
        BatchSharpness sharpness = BatchSharpness.Of(objective, progress: new ToldProgress(p => told.Add((p.Done, p.Total))));
        Assert.Equal((0, 0, 3, 2), (sharpness.MeanOfRatios.Value, sharpness.RatioOfMeans.Value, sharpness.MeanOfRatios.Products, sharpness.MeanOfRatios.Samples));
        Assert.Equal([(1, 1), (2, 2), (3, 3)], told);
    }

    [Fact]
    public void Clipping_cuts_the_largest_coordinates_to_their_quantile()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor u = tensor([3.0, -1, 0, 4, -5], device: Here);
        Assert.True(DirectionalSharpness.Clip(u, 0.5).Equals(tensor([3.0, -1, 0, 3, -3], device: Here)));
        Assert.Throws<CurvatureException>(() => DirectionalSharpness.Clip(u, 1));
    }

    [Fact]
    public void Sam_on_a_quadratic_is_its_closed_form()
    {
        using DisposeScope scope = NewDisposeScope();
        (Objective objective, Tensor A, Tensor g) = Quadratic();
        const double Rho = 0.3;
        double length = g.norm().ToDouble();
        Tensor before = objective.Parameters.Snapshot();
        SamSharpness sam = new() { Radius = Rho, Seed = 4 };
        Assert.Equal((Rho * length) + (Rho * Rho / 2 * g.dot(A.mv(g)).ToDouble() / (length * length)), sam.WorstCase(objective), 1e-12);

        // More ascent finds more, and no more than the worst of a quadratic on the sphere: rho |g| + rho^2 lambda_max / 2.
        double one = sam.WorstCase(objective), ten = (sam with { Steps = 10 }).WorstCase(objective);
        Assert.InRange(ten, one, (Rho * length) + (Rho * Rho / 2 * linalg.eigvalsh(A).max().ToDouble()));

        Curvature.Estimators.Estimate average = sam.Average(objective, 400);
        double expected = Rho * Rho * A.trace().ToDouble() / (2 * g.numel());
        Assert.InRange(average.Value, expected - (4 * average.StandardError), expected + (4 * average.StandardError));
        Assert.True(average.StandardError < 0.1 * expected);
        Assert.Equal(sam.Average(objective, 3), sam.Average(objective, 3));
        Assert.True(before.Equals(objective.Parameters.Snapshot()));
    }

    [Fact]
    public void The_adaptive_form_does_not_change_when_a_networks_weights_are_rescaled()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear first = nn.Linear(4, 6, hasBias: false, dtype: ScalarType.Float64).to(Here), second = nn.Linear(6, 2, hasBias: false, dtype: ScalarType.Float64).to(Here);
        Sequential model = nn.Sequential(first, nn.ReLU(), second).to(Here);
        Tensor X = randn([20, 4], ScalarType.Float64, generator: new Generator(1)).to(Here), Y = randn([20, 2], ScalarType.Float64, generator: new Generator(2)).to(Here);
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Curvature.Data.Batch(X, Y)]);
        SamSharpness plain = new() { Steps = 3 }, adaptive = plain with { Adaptive = true };
        double[] before = [plain.WorstCase(objective), adaptive.WorstCase(objective), adaptive.Average(objective, 5).Value];
        using (no_grad())
        {
            first.weight!.mul_(8);
            second.weight!.div_(8);
        }

        double[] after = [plain.WorstCase(objective), adaptive.WorstCase(objective), adaptive.Average(objective, 5).Value];
        Assert.Equal(before[1], after[1], 1e-10 * before[1]);
        Assert.Equal(before[2], after[2], 1e-10 * Math.Abs(before[2]));
        Assert.True(after[0] > 1.5 * before[0], $"{before[0]} and {after[0]}");
    }

    [Fact]
    public void Batch_sharpness_is_the_curvature_along_each_batchs_gradient()
    {
        using DisposeScope scope = NewDisposeScope();
        const double L2 = 0.3;
        Tensor X = randn([30, 5], ScalarType.Float64, generator: new Generator(1)).to(Here), y = randn([30, 1], ScalarType.Float64, generator: new Generator(2)).to(Here);
        Linear model = nn.Linear(5, 1, hasBias: false, dtype: ScalarType.Float64).to(Here);
        Curvature.Data.Batch[] batches = [.. Enumerable.Range(0, 6).Select(i => new Curvature.Data.Batch(X.narrow(0, 5 * i, 5), y.narrow(0, 5 * i, 5)))];
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), batches, l2: L2);
        (double Curvature, double Square)[] expected = [.. batches.Select(b =>
        {
            // L = |X w - y|^2 / 5 + L2 |w|^2 / 2
            Tensor w = model.weight!.detach().t(), H = b.Inputs.t().mm(b.Inputs).mul(0.4).add(eye(5, dtype: ScalarType.Float64, device: Here).mul(L2));
            Tensor g = b.Inputs.t().mm(b.Inputs.mm(w).sub(b.Targets)).mul(0.4).add(w.mul(L2));
            return (g.t().mm(H).mm(g).sum().ToDouble(), g.square().sum().ToDouble());
        })];
        BatchSharpness sharpness = BatchSharpness.Of(objective);
        double[] ratios = [.. expected.Select(b => b.Curvature / b.Square)];
        double mean = ratios.Average(), spread = Math.Sqrt(ratios.Sum(r => (r - mean) * (r - mean)) / 5 / 6);
        Assert.Equal(mean, sharpness.MeanOfRatios.Value, 1e-12);
        Assert.Equal(spread, sharpness.MeanOfRatios.StandardError, 1e-12);
        Assert.Equal(expected.Sum(b => b.Curvature) / expected.Sum(b => b.Square), sharpness.RatioOfMeans.Value, 1e-12);
        Assert.True(sharpness.RatioOfMeans.StandardError > 0);
        Assert.Equal(ratios[..2].Average(), BatchSharpness.Of(objective, 2).MeanOfRatios.Value, 1e-12);
        Assert.Throws<CurvatureException>(() => BatchSharpness.Of(objective, 0));
    }

    [Fact]
    public void Parameters_are_put_back_when_a_loss_is_not_finite()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(2, ScalarType.Float64, device: Here));
        Objective objective = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [1], _ => theta.add(-0.99).log().sum(), terms: _ => 1);
        Assert.Throws<NonFiniteException>(() => new SamSharpness { Radius = 5, Seed = 1 }.Average(objective));
        Assert.Equal(2, theta.sum().ToDouble());
        Assert.Throws<CurvatureException>(() => new SamSharpness { Radius = 0 });
        Assert.Throws<CurvatureException>(() => new SamSharpness { Steps = 0 });
        Assert.Throws<CurvatureException>(() => new SamSharpness().Average(objective, 0));
    }

    /// <summary><c>L = x^T A x / 2 + b^T x</c> in two parameters, with its gradient at x.</summary>
    private static (Objective Objective, Tensor A, Tensor Gradient) Quadratic()
    {
        Tensor A = Matrices.OperatorWithSpectrum([.. Enumerable.Range(1, 12).Select(i => i / 4.0)], 1).ToDense();
        Tensor b = randn(12, ScalarType.Float64, generator: new Generator(5)).to(Here);
        Parameter first = new(randn(8, ScalarType.Float64, generator: new Generator(6)).to(Here)), second = new(randn([2, 2], ScalarType.Float64, generator: new Generator(7)).to(Here));
        ParameterSpace space = new([("first", first), ("second", second)]);
        Tensor X() => cat([first, second.reshape(-1)]);
        Objective objective = Objective.FromClosure(space, [1], _ => X().dot(A.mv(X())).div(2).add(b.dot(X())), terms: _ => 1);
        using IDisposable noGrad = no_grad();
        return (objective, A, A.mv(X()).add(b));
    }
}

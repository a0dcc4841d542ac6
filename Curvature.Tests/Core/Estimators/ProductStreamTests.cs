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

public sealed class ProductStreamTests(ITestOutputHelper output)
{
    [Fact]
    public void Gives_what_the_single_estimators_give_for_the_price_of_one()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv");
        using HessianOperator hessian = new(problem.Objective(4, 3));
        using StreamEstimate stream = new ProductStream { MaxProbes = 20, SumOfSquares = true, Seed = 3 }.Estimate(hessian);
        Assert.Equal((20, 20), (hessian.Products, stream.Products));
        TraceEstimate trace = new HutchinsonTrace { MaxProbes = 20, Seed = 3 }.Estimate(hessian);
        using DiagonalEstimate diagonal = new HutchinsonDiagonal { MaxProbes = 20, SumOfSquares = true, Seed = 3 }.Estimate(hessian);
        Assert.All(trace.Layers.Select(l => l.Trace).Append(trace.Total).Zip(stream.Trace.Layers.Select(l => l.Trace).Append(stream.Trace.Total)), pair =>
        {
            // the same probes and numbers to rounding: the single one takes quadratic forms where the matrix knows a shorter way than products
            Assert.Equal(pair.First.Value, pair.Second.Value, 1e-11);
            Assert.Equal(pair.First.StandardError, pair.Second.StandardError, 1e-11);
            Assert.Equal((pair.First.Products, pair.First.Samples), (pair.Second.Products, pair.Second.Samples));
        });
        Assert.True(diagonal.Values.Equals(stream.Diagonal!.Values) && diagonal.StandardErrors.Equals(stream.Diagonal.StandardErrors));
        Assert.Equal(diagonal.SumOfSquares, stream.DiagonalSquares);
        Assert.Equal(new FrobeniusNorm { MaxProbes = 20, Seed = 3 }.Estimate(hessian), stream.Frobenius);
        Assert.Equal(stream.Trace.Layers.Select(l => l.Trace.Value), stream.Diagonal.LayerSums(hessian.Parameters), (x, y) => Math.Abs(x - y) < 1e-10);
    }

    [Fact]
    public void Is_exact_with_as_many_probes_as_columns()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using HessianOperator hessian = new(problem.Objective(4, 3));
        Tensor dense = hessian.ToDense();
        using StreamEstimate stream = new ProductStream { MaxProbes = (int)hessian.Columns, SumOfSquares = true }.Estimate(hessian);
        Assert.Equal(dense.diagonal().sum().ToDouble(), stream.Trace.Total.Value, 1e-12);
        Assert.Equal(dense.square().sum().ToDouble(), stream.FrobeniusSquared.Value, 1e-12);
        Assert.Equal(dense.diagonal().square().sum().ToDouble(), stream.DiagonalSquares!.Value, 1e-12);
        Assert.True(Matrices.RelativeDifference(stream.Diagonal!.Values, dense.diagonal()) < 1e-12);
        Assert.Equal((0.0, 0.0, 0.0), (stream.Trace.Total.StandardError, stream.Frobenius.StandardError, stream.Diagonal.RelativeError));
    }

    [Fact]
    public void Paired_probes_see_a_small_change_that_two_traces_do_not()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor before = Matrices.WithSpectrum(Spectra.All["power law"], 1), change = Matrices.WithSpectrum([.. Spectra.All["flat"].Select(x => 1e-3 * x)], 2);
        using MatrixOperator first = new(before), second = new(before.add(change));
        double exact = 1e-3 * Spectra.All["flat"].Sum();
        Estimate[] differences = [.. Enumerable.Range(0, 400).Select(seed =>
        {
            ProductStream stream = new() { MaxProbes = 20, Diagonal = false, Seed = seed };
            using StreamEstimate one = stream.Estimate(first), two = stream.Estimate(second);
            Assert.True(two.DifferenceFrom(one).StandardError < 0.05 * one.Trace.Total.StandardError);
            Assert.Equal(two.Trace.Total.Value - one.Trace.Total.Value, two.DifferenceFrom(one).Value, 1e-12);
            return two.DifferenceFrom(one);
        })];
        DiagonalEstimatorTests.CheckStatistics(differences, exact, "difference", output);
    }

    [Fact]
    public void Paired_probes_see_the_change_of_each_layer_and_of_the_Frobenius_norm()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(4);
        using Sequential model = nn.Sequential(("a", nn.Linear(6, 5)), ("tanh", nn.Tanh()), ("b", nn.Linear(5, 3))).to(ScalarType.Float64).to(Here);
        Tensor x = randn([20, 6], ScalarType.Float64).to(Here), y = arange(20).remainder(3).to(Here);
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(x, y)]);
        using GgnOperator ggn = new(objective);
        (StreamEstimate exactBefore, StreamEstimate[] before) = Draw();
        using (no_grad())
        {
            foreach (Tensor parameter in model.parameters())
            {
                parameter.mul_(1.01);
            }
        }

        (StreamEstimate exactAfter, StreamEstimate[] after) = Draw();
        TraceEstimate exact = exactAfter.TraceDifferenceFrom(exactBefore);
        TraceEstimate[] differences = [.. after.Zip(before, (now, then) => now.TraceDifferenceFrom(then))];
        Assert.Equal(["a", "b"], exact.Layers.Select(layer => layer.Name));
        Assert.Equal(exact.Total.Value, exact.Layers.Sum(layer => layer.Trace.Value), 1e-12);
        Assert.Equal(exactAfter.DifferenceFrom(exactBefore), exact.Total);
        foreach (int layer in (int[])[0, 1])
        {
            DiagonalEstimatorTests.CheckStatistics([.. differences.Select(d => d.Layers[layer].Trace)], exact.Layers[layer].Trace.Value, exact.Layers[layer].Name, output);
            Assert.All(differences.Zip(after), pair => Assert.InRange(pair.First.Layers[layer].Trace.StandardError, 0, 0.2 * pair.Second.Trace.Layers[layer].Trace.StandardError));
        }

        double change = exactAfter.FrobeniusSquared.Value - exactBefore.FrobeniusSquared.Value;
        Estimate[] squares = [.. after.Zip(before, (now, then) => now.FrobeniusSquaredDifferenceFrom(then))];
        DiagonalEstimatorTests.CheckStatistics(squares, change, "squared Frobenius norm", output);
        Assert.All(squares.Zip(after), pair => Assert.InRange(pair.First.StandardError, 0, 0.2 * pair.Second.FrobeniusSquared.StandardError));

        // The matrix at the present parameters, of whose products 400 streams take many.
        (StreamEstimate Exact, StreamEstimate[] Drawn) Draw()
        {
            using MatrixOperator a = new(ggn.ToDense());
            StreamEstimate Of(int probes, int seed) => new ProductStream { MaxProbes = probes, Diagonal = false, Seed = seed }.Estimate(a, objective.Parameters);
            return (Of(100, 0), [.. Enumerable.Range(0, 400).Select(seed => Of(20, seed))]);
        }
    }

    [Fact]
    public void Differences_of_different_probes_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(ones(30, device: Here)), b = new(ones(40, device: Here));
        using StreamEstimate one = new ProductStream { MaxProbes = 8 }.Estimate(a), seed = new ProductStream { MaxProbes = 8, Seed = 1 }.Estimate(a);
        using StreamEstimate longer = new ProductStream { MaxProbes = 8 }.Estimate(b), exact = new ProductStream().Estimate(a);
        Assert.All((StreamEstimate[])[seed, longer, exact], other => Assert.Throws<CurvatureException>(() => one.DifferenceFrom(other)));
        Assert.Equal(0, one.DifferenceFrom(one).Value);
        Assert.Equal(0, exact.DifferenceFrom(exact).StandardError);
    }

    [Fact]
    public void Stops_at_the_tolerance_reports_progress_and_can_be_cancelled()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All["flat"], 2);
        using StreamEstimate stream = new ProductStream { MaxProbes = 90, MinProbes = 10, RelativeTolerance = 0.5, Diagonal = false }.Estimate(a);
        Assert.InRange(stream.Products, 10, 16);
        Assert.Null(stream.Diagonal);
        using CancellationTokenSource source = new();
        Assert.Throws<OperationCanceledException>(() => new ProductStream().Estimate(a, progress: new ToldProgress(_ => source.Cancel()), cancellation: source.Token));
        using MatrixOperator wide = new(ones([3, 4], device: Here));
        Assert.Throws<CurvatureException>(() => new ProductStream().Estimate(wide));
    }
}

using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
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

using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Objectives;

/// <summary>Second derivatives of the losses in the outputs, against double backward of the loss's value.</summary>
public sealed class CurvatureLossTests
{
    private const double Weight = 1.7;

    private static readonly Dictionary<string, (string Loss, LossOptions Options, long[] Shape)> Catalogue = new()
    {
        ["cross-entropy"] = ("cross-entropy", new(), [4, 3]),
        ["cross-entropy sum"] = ("cross-entropy", new() { Reduction = Reduction.Sum }, [4, 3]),
        ["smoothed"] = ("cross-entropy", new() { LabelSmoothing = 0.3 }, [4, 3]),
        ["weighted"] = ("cross-entropy", new() { ClassWeights = Weights() }, [4, 3]),
        ["ignored"] = ("cross-entropy", new() { IgnoreIndex = 1 }, [4, 3]),
        ["all at once"] = ("cross-entropy", new() { ClassWeights = Weights(), IgnoreIndex = 1, LabelSmoothing = 0.3 }, [4, 3]),
        ["all at once, sum"] =
            ("cross-entropy", new() { ClassWeights = Weights(), IgnoreIndex = 1, LabelSmoothing = 0.3, Reduction = Reduction.Sum }, [4, 3]),
        ["weights of zero"] = ("cross-entropy", new() { ClassWeights = tensor([0.0, 1.0, 2.0], device: Here).DetachFromDisposeScope() }, [4, 3]),
        ["a label a position"] = ("cross-entropy", new() { IgnoreIndex = 1, ClassWeights = Weights() }, [2, 3, 2, 2]),
        ["mse"] = ("mse", new(), [3, 2]),
        ["mse sum"] = ("mse", new() { Reduction = Reduction.Sum }, [3, 2, 2]),
        ["bce"] = ("bce", new(), [3, 2]),
        ["bce sum"] = ("bce", new() { Reduction = Reduction.Sum }, [4]),
    };

    public static TheoryData<string> Cases => [.. Catalogue.Keys];

    [Theory]
    [InlineData(Reduction.Sum, 1)]
    [InlineData(Reduction.Sum, 2)]
    [InlineData(Reduction.Sum, 5)]
    [InlineData(Reduction.Mean, 3)]
    [InlineData(Reduction.Mean, 5)]
    public void Labels_of_weight_zero_have_the_loss_that_smoothing_gives_them_whatever_the_batches(Reduction reduction, int batch)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = randn(5, 4, ScalarType.Float64, device: Here), y = tensor(new long[] { 2, 2, 0, 1, 2 }, device: Here), weights = tensor([1.0, 1.0, 0.0], device: Here);
        using TorchSharp.Modules.Linear model = nn.Linear(4, 3, dtype: ScalarType.Float64, device: Here);
        CrossEntropy loss = new(new() { Reduction = reduction, LabelSmoothing = 0.1, ClassWeights = weights });
        Batch[] batches = [.. Enumerable.Range(0, (5 + batch - 1) / batch).Select(i => new Batch(x[(i * batch)..Math.Min(5, (i + 1) * batch)], y[(i * batch)..Math.Min(5, (i + 1) * batch)]))];
        Objective objective = Objective.Supervised(model, loss, batches), whole = Objective.Supervised(model, loss, [new Batch(x, y)]);
        Tensor expected = nn.functional.cross_entropy(model.call(x), y, weight: weights, reduction: reduction == Reduction.Sum ? nn.Reduction.Sum : nn.Reduction.Mean, label_smoothing: 0.1);
        Assert.Equal(expected.ToDouble(), objective.Value(), 1e-12);
        using HessianOperator hessian = new(objective);
        using HessianOperator atOnce = new(whole);
        Tensor v = randn(15, ScalarType.Float64, device: Here);
        Assert.True(Matrices.RelativeDifference(hessian.Apply(v), atOnce.Apply(v)) < 1e-12);
    }

    [Fact]
    public void A_mean_over_labels_of_weight_zero_alone_is_refused_where_smoothing_gives_them_a_loss()
    {
        using DisposeScope scope = NewDisposeScope();
        CrossEntropy loss = new(new() { LabelSmoothing = 0.1, ClassWeights = tensor([1.0, 1.0, 0.0], device: Here) });
        Assert.Contains("larger batches", Assert.Throws<CurvatureException>(() => loss.Terms(tensor(new long[] { 2, 2 }, device: Here))).Message, StringComparison.Ordinal);
        Assert.Equal(1, loss.Terms(tensor(new long[] { 2, 0 }, device: Here)));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_product_is_that_of_the_dense_Hessian(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (OutputCurvature curvature, Tensor dense, Tensor z) = Create(name);
        Tensor columns = stack(Units(z).Select(u => curvature.Product(u).reshape(-1)), 1);
        Assert.True(Matrices.RelativeDifference(columns, dense) < 1e-12);
        curvature.Dispose();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_square_root_gives_the_Hessian_of_each_row_and_of_each_term(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (OutputCurvature curvature, Tensor dense, Tensor z) = Create(name);
        long rows = z.shape[0], size = z.numel() / rows;
        Tensor sameRow = block_diag([.. Enumerable.Repeat(ones(size, size, ScalarType.Float64, device: Here), (int)rows)]);
        Tensor byPosition = zeros_like(dense), atOnce = zeros_like(dense);
        for (long c = 0; c < curvature.Columns; c++)
        {
            Tensor all = curvature.RootColumn(c).reshape(-1);
            atOnce.add_(all.outer(all));
            for (long q = 0; q < curvature.Positions; q++)
            {
                Tensor one = curvature.RootColumn(c, q).reshape(-1);
                byPosition.add_(one.outer(one).mul(sameRow));
            }
        }

        Assert.True(Matrices.RelativeDifference(byPosition, dense) < 1e-12);
        Tensor coupled = dense.ne(0).to(ScalarType.Float64);
        Assert.True(Matrices.RelativeDifference(atOnce.mul(coupled), dense) < 1e-12);
        Assert.Throws<CurvatureException>(() => curvature.RootColumn(curvature.Columns));
        Assert.Throws<CurvatureException>(() => curvature.RootColumn(0, curvature.Positions));
        curvature.Dispose();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Sampled_gradients_have_the_Hessian_as_covariance_and_mean_zero(string name)
    {
        const int Draws = 4000;
        using DisposeScope scope = NewDisposeScope();
        (OutputCurvature curvature, Tensor dense, _) = Create(name);
        using Generator generator = new(11, Here);
        Tensor state = random.get_rng_state();
        Tensor g = stack(Enumerable.Range(0, Draws).Select(_ => curvature.SampleGradient(generator).reshape(-1)));
        Assert.True(state.Equals(random.get_rng_state()));

        // Within five standard errors entry by entry; fourth moments are of the order of the diagonal's square over the rarest probability.
        Tensor outer = g.unsqueeze(2).mul(g.unsqueeze(1)), mean = outer.mean([0]);
        Tensor error = outer.sub(mean).square().mean([0]).div(Draws).sqrt();
        Assert.True(mean.sub(dense).abs().sub(error.mul(5)).max().ToDouble() < 1e-12);
        Tensor meanError = g.square().mean([0]).div(Draws).sqrt();
        Assert.True(g.mean([0]).abs().sub(meanError.mul(5)).max().ToDouble() < 1e-12);
        curvature.Dispose();
    }

    [Theory]
    [InlineData(new double[] { 1, 2, -1 }, "got -1 for class 2")]
    [InlineData(new double[] { 1, double.NaN }, "got NaN for class 1")]
    [InlineData(new double[] { 1, -0.5 }, "got -0.5 for class 1")]
    public void A_class_weight_that_cannot_be_is_named(double[] weights, string expected)
    {
        using var culture = new DecimalComma();
        using Tensor given = tensor(weights, device: Here);
        Assert.Contains(expected, Assert.Throws<CurvatureException>(() => new CrossEntropy(new LossOptions { ClassWeights = given })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_mean_gradient_is_the_observed_one_without_its_scale()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor z = randn(4, 3, ScalarType.Float64).to(Here), y = tensor(new long[] { 0, 1, 2, 0 }, device: Here);
        using OutputCurvature curvature = new CrossEntropy().CurvatureAt(z, y);
        Tensor expected = z.softmax(1).sub(nn.functional.one_hot(y, 3).to(ScalarType.Float64)).div(2); // sqrt(1 / N) = 1/2
        Assert.True(Matrices.RelativeDifference(curvature.ObservedGradient(), expected) < 1e-14);
    }

    private static Tensor Weights() => tensor([0.5, 1.0, 2.0], device: Here).DetachFromDisposeScope();

    private static IEnumerable<Tensor> Units(Tensor z) =>
        Enumerable.Range(0, (int)z.numel()).Select(i => eye(z.numel(), z.numel(), ScalarType.Float64, device: Here).select(0, i).reshape(z.shape));

    private static (OutputCurvature Curvature, Tensor Dense, Tensor Outputs) Create(string name)
    {
        (string lossName, LossOptions options, long[] shape) = Catalogue[name];
        random.manual_seed(4);
        Tensor z = randn(shape, ScalarType.Float64).to(Here);
        ICurvatureLoss loss = (ICurvatureLoss)KnownLosses.Create(lossName, options);
        Tensor y = lossName switch
        {
            "cross-entropy" => arange(z.numel() / shape[1], ScalarType.Int64, device: Here).remainder(3).reshape([shape[0], .. shape[2..]]),
            "bce" => rand(shape, ScalarType.Float64).to(Here),
            _ => randn(shape, ScalarType.Float64).to(Here),
        };
        return (loss.CurvatureAt(z, y, Weight), DenseCurvature.LossHessian(loss, z, y).mul(Weight), z);
    }

    [Fact]
    public void Says_what_to_do_about_targets_of_another_kind()
    {
        using DisposeScope scope = NewDisposeScope();
        static string Message(ISupervisedLoss loss, Tensor outputs, Tensor targets) =>
            Assert.Throws<CurvatureException>(() => loss.Check(outputs, targets)).Message;
        Tensor z = zeros(4, 3, device: Here), labels = zeros(4, ScalarType.Int64, device: Here);
        Assert.Contains("y.argmax(1)", Message(new CrossEntropy(), z, zeros(4, 3, device: Here)), StringComparison.Ordinal);
        Assert.Contains("int64", Message(new CrossEntropy(), z, zeros(4, device: Here)), StringComparison.Ordinal);
        Assert.Contains("call for cross-entropy", Message(new MeanSquaredError(), z, labels), StringComparison.Ordinal);
        Assert.Contains("from -2.253 to 0", Message(new BinaryCrossEntropy(), zeros(2, device: Here), tensor([-2.2525997161865234f, 0f], device: Here)), StringComparison.Ordinal);
    }
}

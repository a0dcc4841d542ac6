using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>Quadratic forms of the Hessian, layer by layer, against its dense definition.</summary>
public sealed partial class QuadraticFormsTests
{
    public static TheoryData<string> Cases => [.. Problems.AllNames];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Are_those_of_the_dense_Hessian_whole_and_by_layer_in_both_precisions(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        Round(problem);
        Tensor H = DenseCurvature.Hessian(problem, Sizes(name));
        using HessianOperator hessian = new(problem.Objective(Sizes(name)));
        Tensor V = Directions(hessian.Columns);
        AssertForms(hessian, H, V, 1e-9);
        Assert.Null(hessian.LayersObstacle);

        using HessianOperator single = new(problem.ToSinglePrecision().Objective(Sizes(name)));
        AssertForms(single, H, V, 1e-4);
        Assert.Null(single.LayersObstacle);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Kept_and_fresh_graphs_and_other_columns_beside_give_the_same_numbers(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using HessianOperator kept = new(problem.Objective(Sizes(name)));
        using HessianOperator fresh = new(problem.Objective(Sizes(name)), new CurvatureOptions { GraphMemory = 0 });
        Tensor V = Directions(kept.Columns);
        double[][] forms = kept.QuadraticForms(V, kept.Parameters);
        Assert.Equal(forms, kept.QuadraticForms(V, kept.Parameters));
        Assert.Equal(forms, fresh.QuadraticForms(V, fresh.Parameters));
        double[] alone = [.. kept.QuadraticForms(V.narrow(1, 2, 1), kept.Parameters).Select(form => form[0])];
        Assert.All(forms.Zip(alone), pair => Assert.Equal(pair.First[2], pair.Second, 1e-12 * Math.Max(1, forms.Max(form => Math.Abs(form[2])))));
        Assert.Equal((2 * V.shape[1]) + 1, kept.Products);
    }

    [Fact]
    public void Products_between_forms_leave_both_as_they_are_and_both_follow_the_parameters()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("layer norm");
        using HessianOperator hessian = new(problem.Objective(3, 1, 3));
        Tensor V = Directions(hessian.Columns);
        double[] forms = hessian.QuadraticForms(V)[0];
        Assert.Equal(V.mul(hessian.Apply(V)).sum(dim: 0).cpu().data<double>().ToArray(), forms, (a, b) => Math.Abs(a - b) < 1e-10);
        Assert.Equal(forms, hessian.QuadraticForms(V)[0]);
        using (no_grad())
        {
            problem.Parameters.Parameters[0].mul_(1.5);
        }

        using HessianOperator anew = new(problem.Objective(3, 1, 3));
        Assert.Equal(anew.QuadraticForms(V)[0], hessian.QuadraticForms(V)[0]);
        Assert.NotEqual(forms, hessian.QuadraticForms(V)[0]);
    }

    [Fact]
    public void L2_adds_the_squared_norm_of_each_layer_once()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using HessianOperator plain = new(problem.Objective(4, 3));
        using HessianOperator damped = new(Objective.Supervised(problem.Model, problem.Loss, problem.Batches(4, 3), l2: 0.3));
        Tensor V = Directions(plain.Columns);
        double[][] expected = [.. plain.QuadraticForms(V, plain.Parameters).Zip(Blocks(V.square(), plain.Parameters), (a, b) => a.Zip(b, (x, y) => x + (0.3 * y)).ToArray())];
        Assert.Equal(expected.SelectMany(f => f), damped.QuadraticForms(V, damped.Parameters).SelectMany(f => f), (a, b) => Math.Abs(a - b) < 1e-12);
        Assert.Null(damped.LayersObstacle);
    }

    [Fact]
    public void The_algebra_of_operators_passes_them_on()
    {
        using DisposeScope scope = NewDisposeScope();
        using HessianOperator hessian = new(Problems.Create("gelu-mlp cross-entropy sum").Objective(4, 3));
        LinearOperator a = (2 * hessian.Shift(0.5)) + new DiagonalOperator(ones(hessian.Columns, ScalarType.Float64, device: Here));
        Tensor V = Directions(hessian.Columns);
        Assert.Equal(V.mul(a.Apply(V)).sum(dim: 0).cpu().data<double>().ToArray(), a.QuadraticForms(V)[0], (x, y) => Math.Abs(x - y) < 1e-10);
        Assert.Null(hessian.LayersObstacle);
        Assert.Equal(2 * V.shape[1], hessian.Products);
    }

    [Fact]
    public void Layers_that_share_an_input_and_weights_that_act_in_two_layers_are_cut_and_exact()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(5);
        using Branches model = new();
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(randn(6, 4, ScalarType.Float64).to(Here), randn(6, 4, ScalarType.Float64).to(Here))]);
        using HessianOperator hessian = new(objective);
        Tensor V = Directions(hessian.Columns);
        AssertForms(hessian, hessian.ToDense(), V, 1e-11);
        Assert.Null(hessian.LayersObstacle);
    }

    [Fact]
    public void Activations_in_place_behind_and_between_the_layers_are_exact()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(7);
        using InPlace model = new();
        model.eval();
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(randn(5, 2, 5, 5, ScalarType.Float64).to(Here), arange(5).remainder(3).to(Here)), new Batch(randn(2, 2, 5, 5, ScalarType.Float64).to(Here), arange(2).to(Here))]);
        using HessianOperator hessian = new(objective), whole = new(objective, new CurvatureOptions { ByLayers = false });
        Tensor H = whole.ToDense();
        AssertForms(hessian, H, Directions(hessian.Columns), 1e-11);
        Assert.True(Matrices.RelativeDifference(hessian.ToDense(), H) < 1e-12);
        Assert.Null(hessian.LayersObstacle);
    }

    [Fact]
    public void More_directions_than_fit_together_are_taken_in_stretches()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(6);
        Sequential model = nn.Sequential(nn.Linear(3, 2, dtype: ScalarType.Float64), nn.Tanh(), nn.Linear(2, 1, dtype: ScalarType.Float64)).to(Here);
        Batch batch = new(randn(20_000, 3, ScalarType.Float64).to(Here), randn(20_000, 1, ScalarType.Float64).to(Here));
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [batch]);
        using HessianOperator hessian = new(objective);
        Tensor V = cat([Directions(hessian.Columns), Probes.Draw(ProbeKind.Gaussian, hessian.Columns, 0, 60, 2, ScalarType.Float64, Here)], 1);

        // 64 MiB of tangents and their cotangents', of the inputs and outputs of both layers: 26 directions go together.
        long bytes = 2 * (3 + 2 + 2 + 1) * sizeof(double) * batch.Inputs.shape[0], together = (1 << 26) / bytes;
        Assert.InRange(V.shape[1], (2 * together) + 1, (3 * together) - 1);
        AssertForms(hessian, hessian.ToDense(), V, 1e-10);
    }

    [Fact]
    public void Ranks_have_the_forms_of_all_data_for_one_small_sum()
    {
        using DisposeScope scope = NewDisposeScope();
        using HessianOperator one = new(Problems.Create("layer norm").Objective(3, 4));
        Tensor V = Directions(one.Columns);
        double[] expected = [.. one.QuadraticForms(V, one.Parameters).SelectMany(f => f)];
        Problem[] problems = [.. Enumerable.Range(0, 3).Select(_ => Problems.Create("layer norm"))];
        double[][] found = ThreadRanks.Run(3, ranks =>
        {
            Problem problem = problems[ranks.Rank];
            IEnumerable<Batch> own = ranks.Rank == 2 ? [] : [problem.Batches(3, 4)[ranks.Rank]]; // the last one has no data
            using HessianOperator hessian = new(Objective.Supervised(problem.Model, problem.Loss, own, ranks: ranks));
            double[] forms = [.. hessian.QuadraticForms(V, hessian.Parameters).SelectMany(f => f)];
            Assert.Null(hessian.LayersObstacle);
            Assert.True(ranks.Sums.Max() <= hessian.Parameters.Parameters.Count * V.shape[1]);
            return forms;
        });
        Assert.All(found, forms => Assert.Equal(expected, forms, (a, b) => Math.Abs(a - b) < 1e-12));
    }

    [Fact]
    public void A_trace_by_layers_is_the_trace_by_products()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("attention, tied head, masked targets");
        using HessianOperator layers = new(problem.Objective(3, 1, 3));
        using HessianOperator products = new(problem.Objective(3, 1, 3), new CurvatureOptions { ByLayers = false });
        HutchinsonTrace hutchinson = new() { MaxProbes = 20, Seed = 2 };
        TraceEstimate a = hutchinson.Estimate(layers), b = hutchinson.Estimate(products);
        Assert.Equal(b.Total.Value, a.Total.Value, 1e-10 * Math.Abs(b.Total.Value));
        Assert.Equal(b.Total.StandardError, a.Total.StandardError, 1e-9 * b.Total.StandardError);
        Assert.All(a.Layers.Zip(b.Layers), pair => Assert.Equal(pair.Second.Trace.Value, pair.First.Trace.Value, 1e-10));
        Assert.Equal(20, layers.Products);
    }

    /// <summary>Forms of V's columns, whole and by layer, are those of H.</summary>
    internal static void AssertForms(LinearOperator a, Tensor H, Tensor V, double tolerance) => AssertFormsOf(a, V, H.mm(V), tolerance * H.norm().ToDouble() * V.square().sum(dim: 0).max().ToDouble());

    /// <summary>Forms of V's columns, whole and by layer, are those of the products HV, within <paramref name="error"/>.</summary>
    internal static void AssertFormsOf(LinearOperator a, Tensor V, Tensor HV, double error)
    {
        Tensor terms = V.mul(HV);
        double[][] blocks = Blocks(terms, a.Parameters!);
        Assert.Equal(blocks.SelectMany(f => f), a.QuadraticForms(V.to(a.DType), a.Parameters).SelectMany(f => f), (x, y) => Math.Abs(x - y) <= error);
        Assert.Equal(terms.sum(dim: 0).cpu().data<double>().ToArray(), a.QuadraticForms(V.to(a.DType))[0], (x, y) => Math.Abs(x - y) <= error);
    }

    private static double[][] Blocks(Tensor terms, ParameterSpace space) =>
        [.. space.Layers.Select(layer => stack(layer.Indices.Select(i => terms.narrow(0, space.Offset(i), space.Parameters[i].numel()).sum(dim: 0))).sum(dim: 0).cpu().data<double>().ToArray())];

    /// <summary>Signs, a unit vector and a normal vector, as columns.</summary>
    internal static Tensor Directions(long dimension)
    {
        Tensor unit = zeros(dimension, 1, ScalarType.Float64, device: Here);
        unit.narrow(0, dimension / 2, 1).fill_(1);
        return cat([
            Probes.Draw(ProbeKind.Rademacher, dimension, 0, 2, 1, ScalarType.Float64, Here), unit, Probes.Draw(ProbeKind.Gaussian, dimension, 0, 1, 1, ScalarType.Float64, Here)], 1);
    }

    private static long[] Sizes(string name) => Problems.Names.Contains(name) ? [3, 1, 3] : [4, 3];

    private static void Round(Problem problem)
    {
        using IDisposable noGrad = no_grad();
        foreach (Tensor p in problem.Parameters.Parameters)
        {
            p.copy_(p.to(ScalarType.Float32));
        }
    }

    /// <summary>Convolutions with groups and strides, all activations in place, a norm behind each, one of them behind what was written to.</summary>
    private sealed class InPlace : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d first = nn.Conv2d(2, 4, 3, stride: 2, padding: 1, groups: 2, dtype: ScalarType.Float64).to(Here), second = nn.Conv2d(4, 4, 2, bias: false, dtype: ScalarType.Float64).to(Here);
        private readonly BatchNorm2d norm = nn.BatchNorm2d(4, dtype: ScalarType.Float64).to(Here), after = nn.BatchNorm2d(4, dtype: ScalarType.Float64).to(Here);
        private readonly Conv1d line = nn.Conv1d(4, 3, 3, dilation: 2, padding: 2, dtype: ScalarType.Float64).to(Here);

        public InPlace() : base("in place") => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            Tensor x = norm.call(first.call(input)).tanh_();
            x = second.call(x).mul_(2);
            x = after.call(x).relu_();
            return line.call(x.flatten(2)).square().sum(2);
        }
    }
}

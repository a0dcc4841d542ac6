using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Tensors;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Sensitivity;

/// <summary>A loss that is quadratic in the weights of three layers, with everything coupled to everything.</summary>
public sealed class QuadraticModelTests : IDisposable
{
    private static readonly int[] Widths = [2, 4, 8];

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly ParameterSpace _weights;
    private readonly Tensor _hessian;
    private readonly Tensor _pull;
    private readonly Objective _objective;

    public QuadraticModelTests()
    {
        manual_seed(1);
        _weights = new ParameterSpace([("a.weight", Leaf(3, 4)), ("b.weight", Leaf(2, 3)), ("c.weight", Leaf(1, 2))]);
        Tensor root = randn([20, 20], ScalarType.Float64).to(Here);
        (_hessian, _pull) = (root.add(root.t()), randn([20], ScalarType.Float64).to(Here));
        Tensor x = zeros([1, 1], ScalarType.Float64, device: Here);
        _objective = Objective.FromClosure(_weights, new Dataset(x, x, "nothing").Batches(1), _ => Loss(), _ => 1);
    }

    [Fact]
    public void Predicts_the_increase_of_every_assignment()
    {
        using HessianOperator hessian = new(_objective);
        using Tensor gradient = _objective.Gradient();
        using WeightErrors errors = WeightErrors.Of(_weights, Widths);
        QuadraticModel model = QuadraticModel.Of(errors, hessian, gradient);
        Assert.Equal(9, hessian.Products); // one for each layer and width
        using Tensor start = _weights.Snapshot();
        double before = Value();
        foreach (int[] at in from a in Enumerable.Range(0, 3) from b in Enumerable.Range(0, 3) from c in Enumerable.Range(0, 3) select new[] { a, b, c })
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor error = cat([.. at.Select((width, layer) => errors.Layer(layer).select(1, width))]);
            _weights.Assign(start.add(error));
            double increase = Value() - before;
            _weights.Assign(start);
            Assert.Equal(increase, model.Increase([.. at.Select(width => Widths[width])]), 1e-9 * Math.Max(1, Math.Abs(increase)));
        }
    }

    [Fact]
    public void A_layer_at_32_bits_has_no_error()
    {
        using HessianOperator hessian = new(_objective);
        using WeightErrors errors = WeightErrors.Of(_weights, Widths);
        QuadraticModel model = QuadraticModel.Of(errors, hessian);
        Assert.Equal(0, model.Increase([32, 32, 32]));
        Assert.Equal((0.5 * (model.Term(0, 0, 0, 0) + model.Term(2, 1, 2, 1))) + model.Term(0, 0, 2, 1), model.Increase([2, 32, 4]), 1e-10);
        Assert.Throws<CurvatureException>(() => model.Increase([2, 16, 4]));
    }

    [Fact]
    public void Terms_are_those_of_the_dense_matrix()
    {
        using HessianOperator hessian = new(_objective);
        using WeightErrors errors = WeightErrors.Of(_weights, Widths);
        QuadraticModel model = QuadraticModel.Of(errors, hessian);
        for (int l = 0; l < 3; l++)
        {
            for (int m = 0; m < 3; m++)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor block = _hessian.narrow(0, _weights.Offset(l), _weights.Parameters[l].numel()).narrow(1, _weights.Offset(m), _weights.Parameters[m].numel());
                double dense = errors.Layer(l).select(1, 0).dot(block.mv(errors.Layer(m).select(1, 1))).ToDouble();
                Assert.Equal(dense, model.Term(l, 0, m, 1), 1e-10);
                Assert.Equal(model.Term(m, 1, l, 0), model.Term(l, 0, m, 1), 1e-10);
            }
        }

        LayerTable table = model.Table();
        Assert.Equal(0.5 * model.Term(1, 2, 1, 2), table.Layers[1].SensitivityAt(8)!.Value, 1e-15);
        Assert.Equal(["a", "b", "c"], table.Layers.Select(layer => layer.Name));
    }

    [Fact]
    public void Trace_times_error_is_what_HAWQ_plans_with()
    {
        using HessianOperator hessian = new(_objective);
        using WeightErrors errors = WeightErrors.Of(_weights, Widths);
        TraceEstimate traces = new HutchinsonTrace { MaxProbes = 64, Seed = 1 }.Estimate(hessian);
        LayerTable table = TraceSensitivity.Table(errors, traces.Layers);
        Assert.Equal([12, 6, 2], table.Layers.Select(layer => layer.Parameters));
        double square = errors.Layer(0).select(1, 1).square().sum().ToDouble();
        Assert.Equal(square, table.Layers[0].Error![4], 1e-12);
        Assert.Equal(traces.Layers[0].Trace.Value / 12 * square, table.Layers[0].SensitivityAt(4)!.Value, 1e-12);
        Assert.Equal(traces.Layers[0].Trace.StandardError / 12 * square, table.Layers[0].StandardErrorAt(4), 1e-12);
        Assert.Contains("no trace", Assert.Throws<CurvatureException>(() => TraceSensitivity.Table(errors, [])).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _scope.Dispose();

    private static Tensor Leaf(long rows, long columns) => randn([rows, columns], ScalarType.Float64).to(Here).requires_grad_();

    private Tensor Loss()
    {
        Tensor theta = cat([.. _weights.Parameters.Select(p => p.reshape(-1))]);
        return theta.dot(_hessian.mv(theta)).mul(0.5).add(theta.dot(_pull));
    }

    private double Value()
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return Loss().ToDouble();
    }
}

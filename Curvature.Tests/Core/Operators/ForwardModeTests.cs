using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>Products by forward mode, which the stand-in's extensions have, against those by double backward.</summary>
[Trait("Engine", "StandIn")]
public class ForwardModeTests
{
    private static readonly CurvatureOptions Plain = new() { Extensions = null };

    public static TheoryData<string> Convolutional => [.. Problems.AllNames.Where(name => name.Contains("conv", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Convolutional))]
    public void Gauss_Newton_products_agree_with_those_by_double_backward(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using GgnOperator forward = new(problem.Objective(4, 3)), plain = new(problem.Objective(4, 3), Plain);
        Tensor V = randn(forward.Columns, 2, dtype: forward.DType).to(Here);
        Tensor[] buffers = [.. problem.Model.named_buffers().Select(b => b.buffer.clone())];
        for (int repeat = 0; repeat < 2; repeat++)
        {
            Assert.True(Matrices.RelativeDifference(forward.Apply(V), plain.Apply(V)) < 1e-13);
        }

        Assert.All(problem.Model.named_buffers().Zip(buffers), pair => Assert.True(pair.First.buffer.Equals(pair.Second), pair.First.name));
    }

    [Fact]
    public void Threads_that_push_at_once_take_turns()
    {
        double[] differences = ThreadRanks.Run(4, _ =>
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = Problems.Create("conv, batch norm in eval mode");
            using GgnOperator forward = new(problem.Objective(4, 3)), plain = new(problem.Objective(4, 3), Plain);
            Tensor V = randn(forward.Columns, 16, dtype: forward.DType).to(Here);
            return Matrices.RelativeDifference(forward.Apply(V), plain.Apply(V));
        });
        Assert.All(differences, difference => Assert.InRange(difference, 0, 1e-13));
    }

    [Fact]
    public void A_streamed_source_is_not_evaluated_after_its_pass()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in eval mode");
        IEnumerable<Batch> Stream()
        {
            foreach (Batch batch in problem.Batches(4, 3))
            {
                using Tensor x = batch.Inputs.clone(), y = batch.Targets.clone();
                yield return new Batch(x, y);
            }
        }

        using GgnOperator streamed = new(Objective.Supervised(problem.Model, problem.Loss, Stream())), plain = new(problem.Objective(4, 3), Plain);
        Tensor v = randn(streamed.Columns, dtype: streamed.DType).to(Here);
        for (int repeat = 0; repeat < 2; repeat++)
        {
            Assert.True(Matrices.RelativeDifference(streamed.Apply(v), plain.Apply(v)) < 1e-13);
        }
    }

    [Theory]
    [InlineData("conv, batch norm in eval mode", 4)]
    [InlineData("tanh-mlp mse", 0)]
    public void It_is_taken_for_convolutions_where_it_pays(string name, int expected)
    {
        using DisposeScope scope = NewDisposeScope();
        Counting engine = new();
        using GgnOperator ggn = new(Problems.Create(name).Objective(4, 3), new CurvatureOptions { Extensions = engine });
        ggn.Apply(randn(ggn.Columns, 2, dtype: ggn.DType).to(Here));
        Assert.Equal(expected, engine.Calls); // two batches, two columns
    }

    [Fact]
    public void The_Jacobian_of_a_convolution_agrees_with_its_transpose()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in eval mode");
        using JacobianOperator jacobian = new(problem.Objective(4, 3));
        Tensor u = randn(jacobian.Rows, dtype: jacobian.DType).to(Here), v = randn(jacobian.Columns, dtype: jacobian.DType).to(Here);
        double left = u.dot(jacobian.Apply(v)).ToDouble(), right = jacobian.ApplyTranspose(u).dot(v).ToDouble();
        Assert.Equal(left, right, 1e-12 * Math.Abs(left));
    }

    [Fact]
    public void Where_an_operator_has_no_forward_derivative_the_other_way_is_taken()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(2);
        Sequential model = nn.Sequential(("conv", nn.Conv2d(1, 2, 3, dtype: ScalarType.Float64)), ("flat", nn.Flatten())).to(Here);
        Batch[] batches = [new(randn(3, 1, 4, 4, dtype: ScalarType.Float64).to(Here), randint(8, [3]).to(Here))];
        using GgnOperator refused = new(Objective.Supervised(model, new CrossEntropy(), batches), new CurvatureOptions { Extensions = new Unable() });
        using GgnOperator plain = new(Objective.Supervised(model, new CrossEntropy(), batches), Plain);
        Tensor v = randn(plain.Columns, ScalarType.Float64).to(Here);
        Assert.True(Matrices.RelativeDifference(refused.Apply(v), plain.Apply(v)) < 1e-15);
    }

    [Fact]
    public void A_tangent_leaves_no_trace_on_its_input()
    {
        using DisposeScope scope = NewDisposeScope();
        IEngineExtensions engine = EngineExtensions.Available!;
        Tensor x = tensor([1.0, 2.0], device: Here).requires_grad_(), v = tensor([1.0, -1.0], device: Here);
        Assert.Equal([2.0, -4.0], engine.JacobianVectorProduct(() => x.square(), [x], [v])!.cpu().data<double>().ToArray());
        Assert.Equal([3.0, -12.0], engine.JacobianVectorProduct(() => x.pow(3), [x], [v])!.cpu().data<double>().ToArray());
        Assert.Null(engine.JacobianVectorProduct(() => v.square(), [x], [v]));
        Assert.ThrowsAny<Exception>(() => engine.JacobianVectorProduct(() => throw new InvalidOperationException(), [x], [v]));
        Assert.Null(engine.JacobianVectorProduct(() => x.square(), [], [])); // had the failed call left its tangent, this would have one
    }

    private sealed class Counting : IEngineExtensions
    {
        public int Calls { get; private set; }

        public Tensor? JacobianVectorProduct(Func<Tensor> function, IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> tangents)
        {
            Calls++;
            return EngineExtensions.Available!.JacobianVectorProduct(function, inputs, tangents);
        }
    }

    private sealed class Unable : IEngineExtensions
    {
        public Tensor? JacobianVectorProduct(Func<Tensor> function, IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> tangents) =>
            throw new NotSupportedException("no forward AD here");
    }
}

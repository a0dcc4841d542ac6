using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

public sealed class GgnOperatorTests
{
    [Fact]
    public void Is_the_Hessian_of_a_model_linear_in_its_parameters()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("softmax regression");
        using GgnOperator ggn = new(problem.Objective(3, 4));
        using HessianOperator hessian = new(problem.Objective(3, 4));
        Assert.True(Matrices.RelativeDifference(ggn.ToDense(), hessian.ToDense()) < 1e-13);
    }

    [Fact]
    public void Has_no_negative_eigenvalue_where_the_Hessian_has()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using GgnOperator ggn = new(problem.Objective(3, 4));
        using HessianOperator hessian = new(problem.Objective(3, 4));
        (Tensor g, Tensor h) = (linalg.eigvalsh(ggn.ToDense()), linalg.eigvalsh(hessian.ToDense()));
        Assert.True(g.min().ToDouble() > -1e-14 * g.max().ToDouble());
        Assert.True(h.min().ToDouble() < -1e-3 * h.max().ToDouble());
    }

    [Fact]
    public void A_closure_of_forward_and_loss_is_the_supervised_objective()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in train mode");
        Objective split = Objective.FromSplit(
            problem.Parameters, problem.Batches(4, 3), batch => problem.Model.call(batch.Inputs), batch => batch.Targets,
            (ICurvatureLoss)problem.Loss, l2: 0.2, module: problem.Model);
        Objective supervised = Objective.Supervised(problem.Model, problem.Loss, problem.Batches(4, 3), l2: 0.2);
        Tensor[] statistics = [.. problem.Model.named_buffers().Select(b => b.buffer.clone())];
        Assert.True(split.IsSplit && supervised.IsSplit);
        Assert.Equal(supervised.Value(), split.Value(), 1e-14);
        Assert.True(Matrices.RelativeDifference(split.Gradient(), supervised.Gradient()) < 1e-13);
        using GgnOperator a = new(split), b = new(supervised);
        Tensor v = randn(a.Columns, ScalarType.Float64).to(Here);
        Assert.True(Matrices.RelativeDifference(a.Apply(v), b.Apply(v)) < 1e-13);
        Assert.All(problem.Model.named_buffers().Zip(statistics), pair => Assert.True(pair.First.buffer.Equals(pair.Second), pair.First.name));
    }

    [Theory]
    [InlineData("ggn")]
    [InlineData("fisher")]
    [InlineData("empirical-fisher")]
    public void A_loss_that_is_only_a_value_is_refused_with_the_way_out(string matrix)
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(2, ScalarType.Float64, device: Here));
        Objective closed = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [0], _ => theta.square().sum(), _ => 1);
        CurvatureException error = Assert.Throws<CurvatureException>(() => KnownOperators.Create(matrix, closed));
        Assert.Contains("FromSplit", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Outputs_without_graph_give_zero()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(2, ScalarType.Float64, device: Here));
        Tensor z = randn(3, 2, ScalarType.Float64).to(Here), y = randn(3, 2, ScalarType.Float64).to(Here);
        Objective constant = Objective.FromSplit(new ParameterSpace([("theta", theta)]), [0], _ => z.alias(), _ => y, new MeanSquaredError());
        using GgnOperator ggn = new(constant);
        Assert.Equal([0, 0], ggn.Apply(ones(2, ScalarType.Float64, device: Here)).cpu().data<double>().ToArray());
        Assert.Equal([0, 0], ggn.Apply(ones(2, ScalarType.Float64, device: Here)).cpu().data<double>().ToArray());
    }

    [Fact]
    public void An_operator_without_second_derivative_is_named_with_what_can_be_had_instead()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter shift = new(tensor([0.1, 0.2], [1, 1, 1, 2], device: Here));
        Tensor image = arange(16, ScalarType.Float64, device: Here).square().reshape(1, 1, 4, 4);
        Objective objective = Objective.FromSplit(
            new ParameterSpace([("shift", shift)]), [0], _ => nn.functional.grid_sample(image, shift).reshape(1, 1),
            _ => ones(1, 1, ScalarType.Float64, device: Here), new MeanSquaredError());
        using GgnOperator ggn = new(objective, new CurvatureOptions { FiniteDifferenceFallback = true });
        NoSecondDerivativeException error = Assert.Throws<NoSecondDerivativeException>(() => ggn.Apply(ones(2, ScalarType.Float64, device: Here)));
        Assert.Contains("grid_sampler", error.Message, StringComparison.Ordinal);
        Assert.Contains("finite-difference-hessian", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Targets_that_do_not_fit_are_named()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        Objective wrong = Objective.FromSplit(
            problem.Parameters, [0], _ => problem.Model.call(problem.Inputs), _ => full(Problems.Rows, 9, ScalarType.Int64, device: Here), new CrossEntropy());
        using GgnOperator ggn = new(wrong);
        Assert.Contains("Labels out of range", Assert.Throws<CurvatureException>(() => ggn.Apply(ones(ggn.Columns, ScalarType.Float64, device: Here))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tensor_count_stays_flat_over_products_kept_and_fresh()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("attention, tied head, masked targets");
        using GgnOperator kept = new(problem.Objective(4, 3)), fresh = new(problem.Objective(4, 3), new CurvatureOptions { GraphMemory = 0 });
        Tensor v = randn(kept.Columns, ScalarType.Float64).to(Here);
        long Count()
        {
            kept.Apply(v).Dispose();
            fresh.Apply(v).Dispose();
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return Tensor.TotalCount;
        }

        Count();
        long before = Count();
        for (int i = 0; i < 20; i++)
        {
            kept.Apply(v).Dispose();
            fresh.Apply(v).Dispose();
        }

        Assert.Equal(before, Count());
    }
}

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

public sealed class HessianOperatorTests
{
    public static TheoryData<string> Cases => [.. Problems.Names];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Agrees_with_differences_of_the_gradient(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using HessianOperator hessian = new(problem.Objective(3, 1, 3));
        Tensor expected = from_array(DenseHessian.ByDifferences(problem.Objective(3, 1, 3)));
        Assert.True(Matrices.RelativeDifference(hessian.ToDense(), expected) < 1e-7); // differences: about 1e-9 absolute an entry
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Kept_and_fresh_graphs_and_ragged_batches_give_one_matrix(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using HessianOperator kept = new(problem.Objective(3, 1, 3));
        using HessianOperator fresh = new(problem.Objective(), new CurvatureOptions { GraphMemory = 0 });
        Tensor v = randn(kept.Columns, 3, ScalarType.Float64).to(Here);
        Tensor first = kept.Apply(v);
        Assert.True(first.Equals(kept.Apply(v)));
        Assert.True(Matrices.RelativeDifference(first, fresh.Apply(v)) < 1e-12);
        Assert.Equal(6, kept.Products);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Is_symmetric_and_linear(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using HessianOperator hessian = new(problem.Objective(4, 3));
        Tensor u = randn(hessian.Columns, ScalarType.Float64).to(Here), v = randn(hessian.Columns, ScalarType.Float64).to(Here);
        double uHv = u.dot(hessian.Apply(v)).ToDouble(), vHu = v.dot(hessian.Apply(u)).ToDouble();
        Assert.Equal(uHv, vHu, 1e-12 * u.norm().ToDouble() * hessian.Apply(v).norm().ToDouble());
        foreach (double c in (double[])[1e-6, 3, 1e6])
        {
            Assert.True(Matrices.RelativeDifference(hessian.Apply(v.mul(c)), hessian.Apply(v).mul(c)) < 1e-12);
        }
    }

    [Fact]
    public void Is_the_Gram_matrix_for_linear_regression()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = randn(9, 4, ScalarType.Float64).to(Here), y = randn(9, 1, ScalarType.Float64).to(Here);
        Linear model = nn.Linear(4, 1, hasBias: false, dtype: ScalarType.Float64).to(Here);
        using HessianOperator hessian = new(Objective.Supervised(model, new MeanSquaredError(), [new Batch(x, y)], l2: 0.7));
        Tensor expected = x.t().mm(x).mul(2.0 / 9).add(eye(4, 4, ScalarType.Float64, device: Here).mul(0.7));
        Assert.True(Matrices.RelativeDifference(hessian.ToDense(), expected) < 1e-14);
    }

    [Fact]
    public void Is_the_closed_form_of_softmax_regression()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = randn(9, 4, ScalarType.Float64).to(Here), y = arange(9, ScalarType.Int64, device: Here).remainder(3);
        Linear model = nn.Linear(4, 3, hasBias: false, dtype: ScalarType.Float64).to(Here);
        using HessianOperator hessian = new(Objective.Supervised(model, new CrossEntropy(), [new Batch(x, y)]));

        // sum_n (diag p_n - p_n p_n^T) (x) x_n x_n^T / N, weights row-major [class, feature]
        Tensor expected = zeros([12, 12], ScalarType.Float64, device: Here), p = model.forward(x).softmax(1).detach();
        for (int n = 0; n < 9; n++)
        {
            Tensor pn = p[n], block = pn.diag().sub(pn.outer(pn));
            expected.add_(kron(block, x[n].outer(x[n])).div(9));
        }

        Assert.True(Matrices.RelativeDifference(hessian.ToDense(), expected) < 1e-13);
    }

    [Fact]
    public void Frozen_unused_and_linear_parameters_have_zero_rows()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter used = new(ones(2, ScalarType.Float64, device: Here)), linear = new(ones(2, ScalarType.Float64, device: Here)), unused = new(ones(2, ScalarType.Float64, device: Here));
        Parameter frozen = new(ones(2, ScalarType.Float64, device: Here), requires_grad: false);
        ParameterSpace space = new([("used", used), ("linear", linear), ("unused", unused), ("frozen", frozen)]);
        Objective objective = Objective.FromClosure(space, [0], _ => used.pow(3).sum().add(linear.sum()).add(frozen.square().sum()), _ => 1);
        using HessianOperator hessian = new(objective);
        Assert.Equal([6, 6, 0, 0, 0, 0, 0, 0], hessian.Apply(ones(8, ScalarType.Float64, device: Here)).cpu().data<double>().ToArray());
    }

    [Fact]
    public void A_loss_without_curvature_gives_zero()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(2, ScalarType.Float64, device: Here));
        Objective linear = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [0], _ => theta.sum(), _ => 1);
        Objective constant = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [0], _ => tensor(1.0, device: Here), _ => 1);
        using HessianOperator a = new(linear), b = new(constant);
        Assert.Equal([0, 0], a.Apply(ones(2, ScalarType.Float64, device: Here)).cpu().data<double>().ToArray());
        Assert.Equal([0, 0], b.Apply(ones(2, ScalarType.Float64, device: Here)).cpu().data<double>().ToArray());
    }

    [Fact]
    public void Tied_weights_are_one_parameter()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(tensor([0.3, -0.2], device: Here));
        Objective objective = Objective.FromClosure(
            new ParameterSpace([("w", w)]), [0], _ => w.mul(w).sum().mul(w.sum()), _ => 1);
        using HessianOperator hessian = new(objective);
        Tensor expected = from_array(DenseHessian.ByDifferences(objective));
        Assert.True(Matrices.RelativeDifference(hessian.ToDense(), expected) < 1e-8);
    }

    [Fact]
    public void Follows_a_parameter_changed_in_place()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using HessianOperator hessian = new(problem.Objective(4, 3));
        Tensor v = randn(hessian.Columns, ScalarType.Float64).to(Here);
        Tensor before = hessian.Apply(v);
        using (no_grad())
        {
            hessian.Parameters.Parameters[2].mul_(1.5);
        }

        using HessianOperator anew = new(problem.Objective(4, 3));
        Tensor after = hessian.Apply(v);
        Assert.True(Matrices.RelativeDifference(after, anew.Apply(v)) < 1e-14);
        Assert.True(Matrices.RelativeDifference(after, before) > 1e-3);
    }

    [Fact]
    public void Survives_a_write_that_changed_no_value()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv");
        using HessianOperator hessian = new(problem.Objective(4, 3), new CurvatureOptions { Frozen = true });
        Tensor v = randn(hessian.Columns, ScalarType.Float64).to(Here);
        Tensor before = hessian.Apply(v);
        hessian.Parameters.Assign(hessian.Parameters.Snapshot()); // the kept graphs would now refuse, and end a TorchSharp process
        Assert.True(before.Equals(hessian.Apply(v)));
        Assert.True(before.Equals(hessian.Apply(v)));
    }

    [Fact]
    public void Follows_a_parameter_that_was_not_chosen()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        foreach ((string chosen, string other) in ((string, string)[])[("fc2.*", "fc1.weight"), ("fc1.*", "fc2.weight")])
        {
            ParameterSpace space = ParameterSpace.Of(problem.Model, chosen);
            using HessianOperator hessian = new(Objective.Supervised(problem.Model, problem.Loss, problem.Batches(4, 3), space));
            Tensor v = randn(hessian.Columns, ScalarType.Float64).to(Here);
            hessian.Apply(v);
            using (no_grad())
            {
                problem.Model.get_parameter(other)!.mul_(1.5);
            }

            using HessianOperator anew = new(Objective.Supervised(problem.Model, problem.Loss, problem.Batches(4, 3), space));
            Assert.True(Matrices.RelativeDifference(hessian.Apply(v), anew.Apply(v)) < 1e-14);
        }
    }

    [Fact]
    public void Follows_the_models_mode()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in eval mode");
        using HessianOperator hessian = new(problem.Objective(4, 3));
        Tensor v = randn(hessian.Columns, ScalarType.Float64).to(Here), eval = hessian.Apply(v);
        problem.Model.train();
        using HessianOperator anew = new(problem.Objective(4, 3));
        Tensor train = hessian.Apply(v);
        Assert.True(Matrices.RelativeDifference(train, anew.Apply(v)) < 1e-14);
        Assert.True(Matrices.RelativeDifference(train, eval) > 1e-3);
    }

    [Fact]
    public void Dropout_switched_on_between_products_is_named()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc", nn.Linear(4, 30)), ("drop", nn.Dropout(0.5)), ("out", nn.Linear(30, 3))).to(Here);
        model.eval();
        using HessianOperator hessian = new(Objective.Supervised(model, new CrossEntropy(), [new Batch(randn(8, 4).to(Here), zeros(8, ScalarType.Int64, device: Here))]));
        hessian.Apply(ones(hessian.Columns, device: Here));
        model.train();
        Assert.Throws<NonDeterministicException>(() => hessian.Apply(ones(hessian.Columns, device: Here)));
    }

    [Fact]
    public void A_channels_last_weight_is_watched_like_any_other()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = randn(2, 3, 5, 5, ScalarType.Float64).to(Here);
        Parameter weight = new(randn(4, 3, 3, 3, ScalarType.Float64).to(Here).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2));
        Objective objective = Objective.FromClosure(
            new ParameterSpace([("weight", weight)]), [0], _ => nn.functional.conv2d(image, weight).tanh().square().mean(), _ => 1);
        using HessianOperator hessian = new(objective);
        Tensor v = randn(hessian.Columns, ScalarType.Float64).to(Here), before = hessian.Apply(v);
        objective.Parameters.Assign(objective.Parameters.Snapshot());
        Assert.True(Matrices.RelativeDifference(hessian.Apply(v), before) < 1e-13);
    }

    [Fact]
    public void A_product_cancelled_half_way_leaves_a_usable_operator()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using CancellationTokenSource source = new();
        int loaded = 0;
        IEnumerable<Batch> CancelAfterThree()
        {
            foreach (Batch batch in problem.Batches(3, 1, 3))
            {
                if (++loaded == 6)
                {
                    source.Cancel();
                }

                yield return batch;
            }
        }

        Objective objective = Objective.Supervised(problem.Model, problem.Loss, CancelAfterThree());
        using HessianOperator cancelled = new(objective, new CurvatureOptions { Cancellation = source.Token }), expected = new(problem.Objective());
        Tensor v = randn(expected.Columns, ScalarType.Float64).to(Here);
        Assert.Throws<OperationCanceledException>(() => cancelled.Apply(v));
        using HessianOperator again = new(objective);
        Assert.True(Matrices.RelativeDifference(again.Apply(v), expected.Apply(v)) < 1e-12);
    }

    [Fact]
    public void Refuses_to_follow_when_frozen()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using HessianOperator hessian = new(problem.Objective(), new CurvatureOptions { Frozen = true });
        Tensor v = ones(hessian.Columns, ScalarType.Float64, device: Here);
        hessian.Apply(v);
        using (no_grad())
        {
            hessian.Parameters.Parameters[2].mul_(1.5);
        }

        Assert.Contains("fc2.weight", Assert.Throws<CurvatureException>(() => hessian.Apply(v)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Train_mode_batch_norm_keeps_its_statistics_and_its_graphs()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in eval mode");
        problem.Model.train();
        Tensor[] buffers = [.. problem.Model.named_buffers().Select(b => b.buffer.clone())];
        using HessianOperator kept = new(problem.Objective(4, 3)), fresh = new(problem.Objective(4, 3), new CurvatureOptions { GraphMemory = 0 });
        Tensor v = randn(kept.Columns, ScalarType.Float64).to(Here);
        kept.Apply(v);
        Assert.True(Matrices.RelativeDifference(kept.Apply(v), fresh.Apply(v)) < 1e-12);
        Assert.All(problem.Model.named_buffers().Zip(buffers), pair => Assert.True(pair.First.buffer.Equals(pair.Second), pair.First.name));
        Tensor expected = from_array(DenseHessian.ByDifferences(problem.Objective(4, 3)));
        Assert.True(Matrices.RelativeDifference(kept.ToDense(), expected) < 1e-7);
    }

    [Fact]
    public void Takes_and_returns_lists_of_parts()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using HessianOperator hessian = new(problem.Objective());
        Tensor v = randn(hessian.Columns, ScalarType.Float64).to(Here);
        IReadOnlyList<Tensor> parts = hessian.Apply(hessian.Parameters.Split(v));
        Assert.True(hessian.Parameters.Flatten(parts).Equals(hessian.Apply(v)));
    }

    [Fact]
    public void Refuses_vectors_that_do_not_fit()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using HessianOperator hessian = new(problem.Objective());
        Assert.Throws<CurvatureException>(() => hessian.Apply(zeros(3, ScalarType.Float64, device: Here)));
        Assert.Throws<CurvatureException>(() => hessian.Apply(zeros(hessian.Columns, ScalarType.Float32, device: Here)));
        Assert.Throws<CurvatureException>(() => hessian.ToDense(limit: 3));
    }

    [Fact]
    public void An_operator_without_second_derivative_is_named_and_differences_take_over_if_allowed()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter shift = new(tensor([0.1, 0.2], [1, 1, 1, 2], device: Here));
        Tensor image = arange(16, ScalarType.Float64, device: Here).square().reshape(1, 1, 4, 4);
        Objective objective = Objective.FromClosure(
            new ParameterSpace([("shift", shift)]), [0], _ => nn.functional.grid_sample(image, shift).pow(2).sum(), _ => 1);

        using HessianOperator exact = new(objective);
        NoSecondDerivativeException error = Assert.Throws<NoSecondDerivativeException>(() => exact.Apply(ones(2, ScalarType.Float64, device: Here)));
        Assert.Contains("grid_sampler", error.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(CurvatureOptions.FiniteDifferenceFallback), error.Message, StringComparison.Ordinal);
        Assert.Null(shift.grad);

        using HessianOperator differences = new(objective, new CurvatureOptions { FiniteDifferenceFallback = true });
        Tensor before = objective.Parameters.Snapshot();
        Tensor expected = from_array(DenseHessian.ByDifferences(objective));
        Assert.True(Matrices.RelativeDifference(differences.ToDense(), expected) < 1e-4);
        Assert.True(differences.UsesFiniteDifferences);
        Assert.True(objective.Parameters.Snapshot().Equals(before));
    }

    [Fact]
    public void A_product_that_is_not_finite_names_its_cause()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(tensor([0.0, 1.0], device: Here));
        Objective objective = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [0], _ => theta.pow(1.5).sum(), _ => 1);
        using HessianOperator hessian = new(objective);
        Assert.Contains("theta", Assert.Throws<NonFiniteException>(() => hessian.Apply(ones(2, ScalarType.Float64, device: Here))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_and_tensor_count_stay_flat_over_2000_products()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using HessianOperator hessian = new(problem.Objective(4, 3), new CurvatureOptions { GraphMemory = 0 });
        Tensor v = randn(hessian.Columns, ScalarType.Float64).to(Here);
        void Products(int count)
        {
            for (int i = 0; i < count; i++)
            {
                hessian.Apply(v).Dispose();
            }
        }

        Products(600);
        _ = NativeHeap.Allocated(); // garbage of other tests goes
        long tensors = Tensor.TotalCount;
        double growth = NativeHeap.MedianGrowth(7, () => Products(200));
        Assert.Equal(tensors, Tensor.TotalCount);
        Assert.True(growth < 200 * NativeHeap.SmallestTensor, $"grows by {growth / 200:F0} bytes a product");
    }
}

using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Optimizers;

/// <summary>Hessian-free steps against dense solves, its damping, and what it refuses.</summary>
public sealed class HessianFreeTests
{
    private static readonly MeanSquaredError Squares = new();

    [Fact]
    public void First_steps_down_a_quadratic_are_damped_newton_steps_whose_damping_falls_as_all_is_foretold()
    {
        using DisposeScope scope = NewDisposeScope();
        const double Rate = 0.5, L2 = 0.3;
        Tensor x = tensor(new[,] { { 1.0, 2.0 }, { -1.0, 0.5 }, { 3.0, 1.0 } }, device: Here), y = tensor([1.0, 0, 2], device: Here), theta = tensor([0.3, -0.2], device: Here);
        Tensor H = x.t().mm(x).mul(2 / 3.0).add(eye(2, 2, ScalarType.Float64, device: Here).mul(L2)); // of the mean square, G itself
        Parameter w = new(theta.clone());
        using HessianFree optimizer = new([w], new HessianFreeOptions { LearningRate = Rate }) { InitialDamping = 2, L2 = L2, Solver = new ConjugateGradient { Tolerance = 1e-12 } };
        double damping = 2;
        for (int t = 0; t < 4; t++)
        {
            Assert.Equal(damping, optimizer.Damping, 1e-12);
            optimizer.Step(() => x.mv(w), y, Squares);
            Tensor g = x.t().mv(x.mv(theta).sub(y)).mul(2 / 3.0).add(theta, L2), A = H.add(eye(2, 2, ScalarType.Float64, device: Here), damping);
            theta = theta.sub(linalg.inv(A).mv(g).mul(Rate));
            Assert.True(theta.allclose(w, 1e-10, 1e-12));
            Assert.Equal(1, optimizer.ReductionRatio, 1e-6);
            damping *= 2 / 3.0;
        }
    }

    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("silu-mlp weighted, ignored")]
    [InlineData("gelu-mlp cross-entropy sum")]
    [InlineData("attention, tied head, masked targets")]
    public void The_first_step_of_a_network_is_that_of_its_dense_matrix_by_parts_too(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (bool parts in new[] { false, true })
        {
            Problem problem = Problems.Create(name);
            Tensor G = DenseCurvature.Ggn(problem).detach(), theta = problem.Parameters.Snapshot();
            Tensor g = Objective.Supervised(problem.Model, problem.Loss, problem.Batches(7)).Gradient();
            Tensor expected = theta.sub(linalg.inv(G.add(eye(G.shape[0], G.shape[0], ScalarType.Float64, device: Here), 10)).mv(g));
            using HessianFree optimizer = new([.. problem.Model.parameters()]) { InitialDamping = 10, Solver = new ConjugateGradient { Tolerance = 1e-12 } };
            ICurvatureLoss loss = (ICurvatureLoss)problem.Loss;
            _ = parts
                ? optimizer.Step(problem.Batches(4, 3).Select(b => ((Func<Tensor>)(() => problem.Model.call(b.Inputs)), b.Targets)), loss)
                : optimizer.Step(() => problem.Model.call(problem.Inputs), problem.Targets, loss);
            Assert.True(Matrices.RelativeDifference(problem.Parameters.Snapshot(), expected) < 1e-9);
        }
    }

    [Fact]
    public void The_loss_never_rises_and_damping_grows_where_steps_promise_too_much()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(tensor([-1.2, 1.0], device: Here));
        Tensor Valley() => stack([w[1].sub(w[0].square()).mul(10), w[0].add(-1)]);
        Tensor y = zeros(2, ScalarType.Float64, device: Here);
        using HessianFree optimizer = new([w]) { InitialDamping = 1e-3 };
        double before = double.PositiveInfinity, largest = 0;
        for (int t = 0; t < 60; t++)
        {
            double loss = optimizer.Step(Valley, y, Squares).ToDouble();
            Assert.True(loss <= before);
            (before, largest) = (loss, Math.Max(largest, optimizer.Damping));
        }

        Assert.True(before < 1e-12, $"{before}");
        Assert.True(largest > 1e-3);
        Assert.InRange(optimizer.Products, 60, 600);
    }

    [Fact]
    public void A_step_that_lowers_nothing_is_not_taken()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(tensor([1.0, 2.0], device: Here));
        using HessianFree optimizer = new([w], new HessianFreeOptions { LearningRate = 50 }) { InitialDamping = 1e-6, Halvings = 2 };
        optimizer.Step(() => w.mul(1), zeros(2, ScalarType.Float64, device: Here), Squares);
        Assert.Equal((1, 1, 0), (optimizer.Steps, optimizer.Rejections, optimizer.SkippedSteps));
        Assert.Equal([1.0, 2.0], w.cpu().data<double>().ToArray());
        Assert.Equal(1.5e-6, optimizer.Damping, 1e-18);
    }

    [Fact]
    public void The_damping_does_not_rise_for_ever_while_no_step_is_taken()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor start = tensor([1.0, 2.0], device: Here);
        Parameter w = new(start.clone());
        using HessianFree optimizer = new([w]) { InitialDamping = 1e11, Halvings = 0 };
        for (int t = 0; t < 8; t++)
        {
            optimizer.Step(() => w.div(w.eq(start)), zeros(2, ScalarType.Float64, device: Here), Squares); // infinite elsewhere
        }

        Assert.Equal(8, optimizer.Rejections);
        Assert.Equal(1e12, optimizer.Damping);
    }

    [Fact]
    public void An_exact_preconditioner_leaves_one_iteration()
    {
        using DisposeScope scope = NewDisposeScope();
        long Products(bool preconditioned)
        {
            Problem problem = Problems.Create("tanh-mlp cross-entropy");
            Tensor G = DenseCurvature.Ggn(problem).detach();
            LinearOperator Inverse(double damping)
            {
                Tensor inverse = linalg.inv(G.add(eye(G.shape[0], G.shape[0], ScalarType.Float64, device: Here), damping));
                return new MatrixOperator(inverse.add(inverse.t()).div(2));
            }

            using HessianFree optimizer = new([.. problem.Model.parameters()])
            {
                Solver = new ConjugateGradient { Tolerance = 1e-8 },
                Preconditioner = preconditioned ? (_, damping) => Inverse(damping) : null,
            };
            optimizer.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
            return optimizer.Products;
        }

        Assert.Equal(3, Products(preconditioned: true)); // one, the residual's, and that of rho
        Assert.True(Products(preconditioned: false) > 6);
    }

    [Fact]
    public void What_it_cannot_step_on_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(ones(3, ScalarType.Float64, device: Here));
        using HessianFree optimizer = new([w]);
        Assert.Contains("Step(forward, targets, loss)", Assert.Throws<CurvatureException>(() => optimizer.Step(() => w.square().sum())).Message, StringComparison.Ordinal);
        Assert.Throws<NonDeterministicException>(() => optimizer.Step(() => w.mul(randn(3, ScalarType.Float64).to(Here)), zeros(3, ScalarType.Float64, device: Here), Squares));
        Assert.Equal(3, w.sum().ToDouble());
        Assert.Contains("damping", Assert.Throws<CurvatureException>(() => new HessianFree([w]) { InitialDamping = 0 }).Message, StringComparison.Ordinal);
        Assert.Contains("warm start", Assert.Throws<CurvatureException>(() => new HessianFree([w]) { WarmStart = 2 }).Message, StringComparison.Ordinal);
        Assert.Contains("L2", Assert.Throws<CurvatureException>(() => new HessianFree([w]) { L2 = -1 }).Message, StringComparison.Ordinal);
    }
}

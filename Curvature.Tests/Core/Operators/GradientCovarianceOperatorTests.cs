using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

public sealed class GradientCovarianceOperatorTests
{
    [Fact]
    public void Batches_of_one_row_make_it_the_empirical_Fisher_matrix()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (string name in (string[])["tanh-mlp cross-entropy", "tanh-mlp mse", "silu-mlp weighted, ignored"])
        {
            Problem problem = Problems.Create(name);
            using GradientCovarianceOperator covariance = new(problem.Objective(1, 1, 1, 1, 1, 1, 1));
            using EmpiricalFisherOperator fisher = new(problem.Objective(4, 3));
            Assert.True(Matrices.RelativeDifference(covariance.ToDense(), fisher.ToDense()) < 1e-12, name);
        }
    }

    [Fact]
    public void Takes_any_loss_and_parameters_whose_gradients_are_one_tensor()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter a = new(ones(2, ScalarType.Float64, device: Here)), b = new(ones(2, ScalarType.Float64, device: Here)), unused = new(ones(1, ScalarType.Float64, device: Here));
        Objective objective = Objective.FromClosure(
            new ParameterSpace([("a", a), ("b", b), ("unused", unused)]), [1.0, 2.0], c => (a + b).sum() * c, terms: c => c);
        using GradientCovarianceOperator covariance = new(objective);

        // (1 * 1 + 2 * 4) / 3 = 3 in every entry of a and b
        Tensor expected = block_diag(full(4, 4, 3, ScalarType.Float64, device: Here), zeros(1, 1, ScalarType.Float64, device: Here));
        Assert.True(Matrices.RelativeDifference(covariance.ToDense(), expected) < 1e-14);
    }
}

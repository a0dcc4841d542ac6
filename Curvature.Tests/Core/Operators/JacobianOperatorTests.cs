using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

public sealed class JacobianOperatorTests
{
    public static TheoryData<string> Cases => [.. Problems.AllNames];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Is_the_stacked_Jacobian_and_its_transpose(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        Tensor expected = DenseCurvature.Jacobian(problem, 4, 3);
        using JacobianOperator j = new(problem.Objective(4, 3));
        Assert.Equal((expected.shape[0], expected.shape[1]), (j.Rows, j.Columns));
        Assert.True(Matrices.RelativeDifference(j.ToDense(), expected) < 1e-12);
        Tensor u = randn(j.Rows, 2, ScalarType.Float64).to(Here), v = randn(j.Columns, 3, ScalarType.Float64).to(Here);
        Assert.True(Matrices.RelativeDifference(j.ApplyTranspose(u), expected.t().mm(u)) < 1e-12);
        Assert.True(Matrices.RelativeDifference(j.Apply(v), expected.mm(v)) < 1e-12);
        Assert.Equal(0, u.mul(j.Apply(v.narrow(1, 0, 2))).sum().sub(j.ApplyTranspose(u).mul(v.narrow(1, 0, 2)).sum()).ToDouble(), 1e-11);
        foreach (double c in (double[])[1e-6, 1e6])
        {
            Assert.True(Matrices.RelativeDifference(j.Apply(v.mul(c)), j.Apply(v).mul(c)) < 1e-12);
        }

        using JacobianOperator fresh = new(problem.Objective(4, 3), new CurvatureOptions { GraphMemory = 0 });
        Assert.True(Matrices.RelativeDifference(fresh.ApplyTranspose(u), expected.t().mm(u)) < 1e-12);

        using JacobianOperator single = new(problem.ToSinglePrecision().Objective(4, 3));
        Tensor dense = single.ToDense();
        Assert.True(Matrices.RelativeDifference(dense, expected) < 1e-4);
        Assert.True(Matrices.RelativeDifference(single.ApplyTranspose(u.to(ScalarType.Float32)), dense.t().mm(u.to(ScalarType.Float32))) < 1e-5);
    }

    [Fact]
    public void The_algebra_makes_the_Gauss_Newton_matrix_of_it()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using JacobianOperator j = new(problem.Objective(4, 3));
        using GgnOperator ggn = new(problem.Objective(4, 3));
        LinearOperator composed = 2.0 / j.Rows * (j.Transpose() * j);
        Assert.True(Matrices.RelativeDifference(composed.ToDense(), ggn.ToDense()) < 1e-12);
    }

    [Fact]
    public void Follows_the_parameters_and_refuses_when_frozen()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("layer norm");
        using JacobianOperator follows = new(problem.Objective(4, 3)), frozen = new(problem.Objective(4, 3), new CurvatureOptions { Frozen = true });
        Tensor v = randn(follows.Columns, ScalarType.Float64).to(Here), before = follows.Apply(v);
        frozen.Apply(v);
        using (no_grad())
        {
            problem.Model.get_parameter("fc1.weight")!.mul_(1.5);
        }

        using JacobianOperator anew = new(problem.Objective(4, 3));
        Assert.True(follows.Apply(v).Equals(anew.Apply(v)));
        Assert.False(follows.Apply(v).Equals(before));
        Assert.Contains("fc1.weight", Assert.Throws<CurvatureException>(() => frozen.Apply(v)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_loss_that_is_only_a_value_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(2, ScalarType.Float64, device: Here));
        Objective closed = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [0], _ => theta.square().sum(), _ => 1);
        Assert.Contains("FromSplit", Assert.Throws<CurvatureException>(() => new JacobianOperator(closed)).Message, StringComparison.Ordinal);
    }
}

using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>Every approximation of the catalogue.</summary>
public sealed class KnownApproximationsTests
{
    public static TheoryData<string> Names => [.. KnownApproximations.Names];

    [Fact]
    public void Every_layerwise_matrix_is_in_the_catalogue()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        HashSet<Type> known = [typeof(KfacInverse), typeof(DiagonalCurvatureOperator)]; // made from the others, and from a vector
        foreach (string name in KnownApproximations.Names)
        {
            using LayerwiseOperator b = KnownApproximations.Create(name, problem.Objective(), problem.Model);
            known.Add(b.GetType());
        }

        Assert.Equal(
            typeof(LayerwiseOperator).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(LayerwiseOperator)) && !t.IsAbstract).OrderBy(t => t.Name),
            known.OrderBy(t => t.Name));
        Assert.Contains("kfac, ekfac", Assert.Throws<CurvatureException>(() => KnownApproximations.Create("kfca", problem.Objective(), problem.Model)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_a_linear_symmetric_positive_snapshot_with_exact_quantities_in_both_precisions(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (ScalarType dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            double tolerance = dtype == ScalarType.Float64 ? 1e-10 : 1e-4;
            Problem problem = Problems.Create("conv, batch norm in eval mode");
            problem.Model.to(dtype);
            using LayerwiseOperator b = KnownApproximations.Create(
                name, Objective.Supervised(problem.Model, problem.Loss, problem.Batches(4, 3)), problem.Model, new KfacOptions { Seed = 1 });
            Tensor v = randn(b.Columns, 2, dtype).to(Here), dense = b.ToDense(), before = b.Apply(v);
            Assert.True(Matrices.RelativeDifference(dense, dense.t()) < tolerance);
            Assert.True(linalg.eigvalsh(dense.to(ScalarType.Float64)).min().ToDouble() > -tolerance);
            Assert.Equal(dense.trace().ToDouble(), b.ExactTrace!.Value, tolerance * b.ExactTrace.Value);
            Assert.Equal(dense.norm().ToDouble(), b.FrobeniusNorm, tolerance * b.FrobeniusNorm);
            Assert.Equal(
                linalg.slogdet(dense.to(ScalarType.Float64).add(eye(b.Rows, b.Rows, ScalarType.Float64, device: Here).mul(0.1))).Item2.ToDouble(), b.LogDeterminant(0.1), 100 * tolerance);
            Assert.True(Matrices.RelativeDifference(b.Apply(v.mul(3)), before.mul(3)) < tolerance);
            using (no_grad())
            {
                problem.Parameters.Parameters[0].mul_(2);
            }

            Assert.True(b.Apply(v).Equals(before));
        }
    }
}

using Curvature.Kronecker;
using Curvature.Krylov;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>Every matrix of the catalogue, over the case table, against its dense definition.</summary>
public sealed class KnownOperatorsTests
{
    private const int Seed = 3;

    public static TheoryData<string, string> Cases
    {
        get
        {
            TheoryData<string, string> cases = [];
            foreach (string problem in Problems.AllNames)
            {
                foreach (string matrix in KnownOperators.Names)
                {
                    cases.Add(matrix, problem);
                }
            }

            return cases;
        }
    }

    private static IEnumerable<KnownOperator> Above => [.. KnownSolvers.Matrices, .. KnownApproximations.All, .. KnownInverses.All];

    public static TheoryData<string> Names => [.. KnownOperators.Names];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Agrees_with_its_dense_definition_in_both_precisions(string matrix, string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        ToSinglePrecision(problem);
        Tensor expected = DenseCurvature.Of(matrix, problem, Seed, Sizes(name));
        using (CurvatureOperator a = KnownOperators.Create(matrix, problem.Objective(Sizes(name)), null, Seed))
        {
            AssertClose(expected, a.ToDense(), Tolerance(matrix, 1e-9, 1e-6));
            AssertSymmetricAndHomogeneous(a, Tolerance(matrix, 1e-12, 1e-6));
        }

        using CurvatureOperator single = KnownOperators.Create(matrix, problem.ToSinglePrecision().Objective(Sizes(name)), null, Seed);
        AssertClose(expected, single.ToDense(), Tolerance(matrix, 1e-4, 1e-2));
        AssertSymmetricAndHomogeneous(single, Tolerance(matrix, 1e-5, 1e-2));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Kept_and_fresh_graphs_give_one_matrix_and_the_division_into_batches_does_not_matter(string matrix, string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using CurvatureOperator kept = KnownOperators.Create(matrix, problem.Objective(Sizes(name)), null, Seed);
        using CurvatureOperator fresh = KnownOperators.Create(matrix, problem.Objective(Sizes(name)), new CurvatureOptions { GraphMemory = 0 }, Seed);
        Tensor v = randn(kept.Columns, 2, ScalarType.Float64).to(Here), first = kept.Apply(v);
        Assert.True(first.Equals(kept.Apply(v)));
        Assert.True(first.Equals(fresh.Apply(v))); // to the bit: free memory decides what is kept, and a job that was killed goes on with another amount of it
        if (matrix is not "gradient-covariance" && Problems.Names.Contains(name))
        {
            using CurvatureOperator whole = KnownOperators.Create(matrix, problem.Objective(), null, Seed);
            AssertClose(first, whole.Apply(v), Tolerance(matrix, 1e-11, 1e-6));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Adds_lambda_once(string matrix)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using CurvatureOperator plain = KnownOperators.Create(matrix, problem.Objective(4, 3), null, Seed);
        using CurvatureOperator damped = KnownOperators.Create(
            matrix, Objective.Supervised(problem.Model, problem.Loss, problem.Batches(4, 3), l2: 0.3), null, Seed);
        Tensor v = randn(plain.Columns, ScalarType.Float64).to(Here);
        double lambda = matrix == "gradient-covariance" ? 0 : 0.3;
        AssertClose(plain.Apply(v).add(v.mul(lambda)), damped.Apply(v), Tolerance(matrix, 1e-12, 1e-6));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Follows_the_parameters(string matrix)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("layer norm");
        using CurvatureOperator a = KnownOperators.Create(matrix, problem.Objective(4, 3), null, Seed);
        Tensor v = randn(a.Columns, ScalarType.Float64).to(Here), before = a.Apply(v);
        using (no_grad())
        {
            a.Parameters.Parameters[0].mul_(1.5);
        }

        using CurvatureOperator anew = KnownOperators.Create(matrix, problem.Objective(4, 3), null, Seed);
        Tensor after = a.Apply(v);
        AssertClose(anew.Apply(v), after, 1e-13);
        Assert.True(Matrices.RelativeDifference(after, before) > 1e-4);
    }

    [Fact]
    public void Every_curvature_operator_is_in_the_catalogue()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        HashSet<Type> known = [];
        foreach (string name in KnownOperators.Names)
        {
            using CurvatureOperator a = KnownOperators.Create(name, problem.Objective());
            known.Add(a.GetType());
        }

        Assert.Equal(
            typeof(CurvatureOperator).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(CurvatureOperator)) && !t.IsAbstract).OrderBy(t => t.Name),
            known.OrderBy(t => t.Name));
    }

    [Fact]
    public void Every_operator_is_in_the_catalogue()
    {
        IEnumerable<Type> types = typeof(LinearOperator).Assembly.GetExportedTypes()
            .Where(t => t.IsSubclassOf(typeof(LinearOperator)) && !t.IsAbstract);
        Assert.Equal(types.Select(t => t.Name).Order(), KnownOperators.All.Concat(Above).Select(o => o.Type.Name).Order());
    }

    [Fact]
    public void The_documentation_shows_the_catalogue() => Approved.Matches(
        "# Matrices\n\nGenerated from the catalogues `KnownOperators`, `KnownSolvers`, `KnownApproximations` and `KnownInverses`. The guide: [matrices](../guide/operators.md).\n\n" + KnownOperators.ToMarkdown(Above),
        "docs/tables/operators.md");

    [Fact]
    public void The_number_of_draws_is_that_of_the_fisher_matrix()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using CurvatureOperator four = KnownOperators.Create("fisher", problem.Objective(4, 3), null, Seed, samplesPerInput: 4);
        using FisherOperator direct = new(problem.Objective(4, 3), 4, Seed);
        Tensor v = randn(four.Columns, ScalarType.Float64).to(Here);
        Assert.True(four.Apply(v).Equals(direct.Apply(v)));
    }

    [Fact]
    public void An_unknown_name_lists_those_there_are()
    {
        using DisposeScope scope = NewDisposeScope();
        CurvatureException error = Assert.Throws<CurvatureException>(() => KnownOperators.Create("hessain", Problems.Create("conv").Objective()));
        Assert.Contains("hessian, ggn, fisher, empirical-fisher", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Differences have the error of their step (eps^(1/3)): 6e-6 in float64 and 5e-3 in float32, squared, over the scale of third derivatives.</summary>
    private static double Tolerance(string matrix, double exact, double differences) => matrix.StartsWith("finite", StringComparison.Ordinal) ? differences : exact;

    private static long[] Sizes(string name) => Problems.Names.Contains(name) ? [3, 1, 3] : [4, 3];

    /// <summary>Rounds the weights, so that both precisions have the same.</summary>
    private static void ToSinglePrecision(Problem problem)
    {
        using IDisposable noGrad = no_grad();
        foreach (Tensor p in problem.Parameters.Parameters)
        {
            p.copy_(p.to(ScalarType.Float32));
        }
    }

    private static void AssertSymmetricAndHomogeneous(CurvatureOperator a, double tolerance)
    {
        Tensor u = randn(a.Columns, a.DType).to(Here), v = randn(a.Columns, a.DType).to(Here);
        (Tensor au, Tensor av) = (a.Apply(u), a.ApplyTranspose(v));
        Assert.Equal(v.dot(au).ToDouble(), u.dot(av).ToDouble(), tolerance * ((v.norm() * au.norm()).ToDouble() + (u.norm() * av.norm()).ToDouble()));
        foreach (double c in (double[])[1e-6, 1e-3, -3, 1e3, 1e6])
        {
            AssertClose(av.mul(c), a.Apply(v.mul(c)), tolerance);
        }
    }

    private static void AssertClose(Tensor expected, Tensor actual, double tolerance)
    {
        double difference = Matrices.RelativeDifference(actual, expected);
        Assert.True(difference < tolerance, $"relative difference {difference:g3}");
    }
}

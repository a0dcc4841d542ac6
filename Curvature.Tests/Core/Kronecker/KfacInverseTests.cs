using Curvature.Kronecker;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>Damped inverses against dense ones, and as preconditioners.</summary>
public sealed class KfacInverseTests(ITestOutputHelper output)
{
    private const double Damping = 0.02;
    private static readonly KfacOptions Exact = new() { Gradients = FactorGradients.Exact };

    [Theory]
    [InlineData("conv, batch norm in eval mode")]
    [InlineData("layer norm")]
    [InlineData("attention, tied head, masked targets")]
    [InlineData("frozen and unused parameters")]
    public void Exact_damping_gives_the_dense_inverse(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        using EkfacOperator ekfac = EkfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        foreach (LayerwiseOperator b in new LayerwiseOperator[] { kfac, ekfac })
        {
            using KfacInverse inverse = b.Inverse(Damping, DampingRule.ExactEigen);
            Tensor dense = linalg.inv(b.ToDense().add(eye(b.Rows, b.Rows, ScalarType.Float64, device: Here).mul(Damping)));
            Assert.True(Matrices.RelativeDifference(inverse.ToDense(), dense) < 1e-10);
            Assert.Equal(dense.trace().ToDouble(), inverse.ExactTrace!.Value, 1e-8);
            Assert.Equal((Damping, DampingRule.ExactEigen), (inverse.Damping, inverse.Rule));
        }
    }

    [Fact]
    public void The_split_rules_damp_each_factor()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Problem problem = new(nn.Sequential(("fc", nn.Linear(4, 3, hasBias: false, dtype: ScalarType.Float64))).to(Here), randn([5, 4], ScalarType.Float64).to(Here), randn([5, 3], ScalarType.Float64).to(Here), "mse");
        using KfacFactors factors = KfacFactors.Of(problem.Objective(), problem.Model, new KfacOptions { Samples = 3 });
        using KfacOperator kfac = new(factors);
        IReadOnlyDictionary<string, Tensor> state = factors.StateDict();
        Tensor A = state["fc/A"][0].div(state["fc/A.rows"]), G = state["fc/G"][0].div(state["weight"]), In = eye(4, 4, ScalarType.Float64, device: Here), Out = eye(3, 3, ScalarType.Float64, device: Here);
        Assert.True(Matrices.RelativeDifference(kfac.ToDense(), G.kron(A)) < 1e-13);

        double pi = Math.Sqrt(A.trace().ToDouble() / 4 / (G.trace().ToDouble() / 3)), root = Math.Sqrt(Damping);
        using KfacInverse split = kfac.Inverse(Damping), unsplit = kfac.Inverse(Damping, DampingRule.Unsplit);
        Assert.True(Matrices.RelativeDifference(split.ToDense(), linalg.inv(G.add(Out.mul(root / pi))).kron(linalg.inv(A.add(In.mul(root * pi))))) < 1e-12);
        Assert.True(Matrices.RelativeDifference(unsplit.ToDense(), linalg.inv(G.add(Out.mul(Damping))).kron(linalg.inv(A.add(In.mul(Damping))))) < 1e-12);
    }

    [Fact]
    public void The_rules_differ_by_the_numbers_in_their_documentation()
    {
        using DisposeScope scope = NewDisposeScope();

        // A = diag(4, 1) and G = diag(1, 0.01) by a state: a linear layer without bias, one row and weight 1.
        using KfacFactors factors = new(nn.Sequential(("fc", nn.Linear(2, 2, hasBias: false, dtype: ScalarType.Float64))).to(Here));
        factors.LoadStateDict(State(tensor([4.0, 1.0], device: Here).diag(), tensor([1.0, 0.01], device: Here).diag()));
        using KfacOperator kfac = new(factors);
        Dictionary<DampingRule, double[]> documented = new()
        {
            [DampingRule.ExactEigen] = [0.249, 0.990, 20.0, 50.0],
            [DampingRule.PiSplit] = [0.227, 0.783, 4.31, 14.9],
            [DampingRule.Unsplit] = [0.247, 0.980, 12.5, 49.5],
        };
        foreach ((DampingRule rule, double[] entries) in documented)
        {
            using KfacInverse inverse = kfac.Inverse(0.01, rule);
            Assert.All(inverse.ToDense().diagonal().clone().cpu().data<double>().ToArray().Zip(entries), p => Assert.Equal(p.Second, p.First, p.Second * 3e-3));
        }
    }

    [Fact]
    public void A_zero_factor_is_damped_by_the_root_alone()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = new(nn.Sequential(("fc", nn.Linear(3, 2, hasBias: false, dtype: ScalarType.Float64))).to(Here), zeros([4, 3], ScalarType.Float64, device: Here), zeros([4, 2], ScalarType.Float64, device: Here), "mse");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(), problem.Model, Exact);
        using KfacInverse inverse = kfac.Inverse(0.04);
        double g = 2.0 / 2; // the Hessian of the mean over 4 x 2 entries, 4 rows
        Assert.True(Matrices.RelativeDifference(inverse.ToDense(), eye(6, 6, ScalarType.Float64, device: Here).div(0.2 * (g + 0.2))) < 1e-12);
    }

    [Fact]
    public void Preconditions_conjugate_gradients()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        Tensor x = randn([256, 12], ScalarType.Float64).to(Here).mul(tensor(Enumerable.Range(0, 12).Select(i => Math.Pow(10, -i / 4.0)).ToArray(), device: Here));
        Problem problem = new(nn.Sequential(("fc", nn.Linear(12, 4, dtype: ScalarType.Float64))).to(Here), x, KroneckerCases.Labels(4, 256), "cross-entropy");
        Objective objective = problem.Objective();
        using GgnOperator ggn = new(objective);
        LinearOperator damped = ggn.Shift(1e-4);
        using KfacOperator kfac = KfacOperator.Of(objective, problem.Model, Exact);
        using KfacInverse inverse = kfac.Inverse(1e-4, DampingRule.ExactEigen);
        Tensor b = objective.Gradient();
        ConjugateGradient solver = new() { Tolerance = 1e-6, MaxProducts = 2000 };
        using LinearSolution plain = solver.Solve(damped, b), preconditioned = solver.Solve(damped, b, inverse);
        output.WriteLine($"{plain.Iterations} iterations, with KFAC {preconditioned.Iterations}");
        Assert.True(preconditioned.Converged);
        Assert.True(preconditioned.Iterations < 0.7 * plain.Iterations, $"{preconditioned.Iterations} of {plain.Iterations}");
        Assert.True(Matrices.RelativeDifference(damped.Apply(preconditioned.X), b) < 2e-6);
    }

    [Fact]
    public void A_float32_factor_that_cannot_be_factored_is_factored_in_float64()
    {
        using DisposeScope scope = NewDisposeScope();

        // v v^T with integers: float32 loses the damping beside the entries, and the second pivot is 0.
        Tensor v = tensor([3.0, 7.0, 11.0, 13.0, 17.0], device: Here), A = v.outer(v);
        using KfacFactors factors = new(nn.Sequential(("fc", nn.Linear(5, 1, hasBias: false))).to(Here));
        factors.LoadStateDict(State(A.to(ScalarType.Float32), ones(1, 1, device: Here)));
        using KfacOperator kfac = new(factors);
        (_, Tensor info) = linalg.cholesky_ex(A.to(ScalarType.Float32).add(eye(5, 5, device: Here).mul(1e-6f)));
        Assert.NotEqual(0, info.ToInt64());

        using KfacInverse inverse = kfac.Inverse(1e-6, DampingRule.Unsplit);
        Assert.Equal(ScalarType.Float32, inverse.DType);
        Assert.True(Matrices.RelativeDifference(inverse.ToDense(), linalg.inv(A.add(eye(5, 5, ScalarType.Float64, device: Here).mul(1e-6)))) < 1e-4);
    }

    [Fact]
    public void Refuses_what_has_no_inverse()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(), problem.Model);
        foreach (double damping in new[] { 0, -1, double.NaN, double.PositiveInfinity })
        {
            Assert.Contains("positive finite", Assert.Throws<CurvatureException>(() => kfac.Inverse(damping)).Message, StringComparison.Ordinal);
        }

        using KfacInverse inverse = kfac.Inverse(0.1);
        Assert.Contains("[26]", Assert.Throws<CurvatureException>(() => inverse.Apply(zeros(5, ScalarType.Float64, device: Here))).Message, StringComparison.Ordinal);

        // A factor that is not positive semi-definite is named.
        using KfacFactors factors = new(nn.Sequential(("fc", nn.Linear(2, 1, hasBias: false, dtype: ScalarType.Float64))).to(Here));
        Dictionary<string, Tensor> state = State(tensor([-1.0, 1.0], device: Here).diag(), ones(1, 1, ScalarType.Float64, device: Here));
        factors.LoadStateDict(state);
        using KfacOperator negative = new(factors);
        Assert.Contains("'fc'", Assert.Throws<CurvatureException>(() => negative.Inverse(0.1, DampingRule.Unsplit)).Message, StringComparison.Ordinal);
        state["fc/A"] = tensor([double.NaN, 1.0], device: Here).diag().unsqueeze(0);
        Assert.Contains("'fc'", Assert.Throws<NonFiniteException>(() => factors.LoadStateDict(state)).Message, StringComparison.Ordinal);
    }

    /// <summary>The state of one linear layer 'fc' without bias, with given factors.</summary>
    private static Dictionary<string, Tensor> State(Tensor A, Tensor G) => new()
    {
        ["updates"] = tensor(1L, device: Here),
        ["weight"] = tensor(1.0, device: Here),
        ["kinds"] = tensor(new long[] { (long)BlockKind.Kronecker }, device: Here),
        ["fc/A"] = A.unsqueeze(0),
        ["fc/A.rows"] = ones(1, ScalarType.Float64, device: Here),
        ["fc/G"] = G.unsqueeze(0),
    };
}

using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

public sealed class FisherOperatorTests
{
    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("tanh-mlp weighted, smoothed, ignored")]
    [InlineData("conv, a label a pixel, ignored")]
    [InlineData("attention, tied head, masked targets")]
    [InlineData("tanh-mlp mse")]
    [InlineData("tanh-mlp bce of three sum")]
    public void Its_expectation_is_the_Gauss_Newton_matrix(string name)
    {
        const int Seeds = 300;
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        Objective objective = problem.Objective(4, 3);
        using GgnOperator ggn = new(objective);
        Tensor v = randn(ggn.Columns, ScalarType.Float64).to(Here);
        double[] forms = [.. Enumerable.Range(0, Seeds).Select(seed =>
        {
            using FisherOperator fisher = new(objective, samplesPerInput: 1, seed);
            return v.dot(fisher.Apply(v)).ToDouble();
        })];
        double mean = forms.Average(), error = Math.Sqrt(forms.Sum(x => (x - mean) * (x - mean)) / (Seeds - 1) / Seeds);
        Assert.True(error > 0);
        Assert.Equal(v.dot(ggn.Apply(v)).ToDouble(), mean, 4 * error);
    }

    [Fact]
    public void More_samples_come_closer_as_the_root_of_their_number()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        Objective objective = problem.Objective();
        using GgnOperator ggn = new(objective);
        Tensor expected = ggn.ToDense();
        double Error(int samples) => Enumerable.Range(0, 20).Average(seed =>
        {
            using FisherOperator fisher = new(objective, samples, seed);
            return Matrices.RelativeDifference(fisher.ToDense(), expected);
        });

        Assert.Equal(5, Error(4) / Error(100), 1.5);
    }

    [Fact]
    public void A_seed_is_a_matrix_whatever_else_draws()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using FisherOperator kept = new(problem.Objective(4, 3), 2, seed: 5), fresh = new(problem.Objective(4, 3), 2, seed: 5, new CurvatureOptions { GraphMemory = 0 });
        using FisherOperator other = new(problem.Objective(4, 3), 2, seed: 6);
        Tensor v = randn(kept.Columns, ScalarType.Float64).to(Here), first = kept.Apply(v), state = random.get_rng_state();
        fresh.Apply(v);
        Assert.True(state.Equals(random.get_rng_state()));
        random.manual_seed(99);
        Assert.True(first.Equals(fresh.Apply(v)));
        Assert.True(first.Equals(kept.Apply(v)));
        Assert.True(Matrices.RelativeDifference(other.Apply(v), first) > 1e-3);
    }

    [Fact]
    public void The_first_samples_stay_when_more_are_drawn()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using FisherOperator one = new(problem.Objective(4, 3), 1, seed: 5), two = new(problem.Objective(4, 3), 2, seed: 5);

        // F_2 = (F_1 + F')/2 with F' positive semi-definite
        Tensor rest = two.ToDense().mul(2).sub(one.ToDense());
        Assert.True(linalg.eigvalsh(rest).min().ToDouble() > -1e-12);
    }

    [Fact]
    public void No_sample_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        Assert.Throws<CurvatureException>(() => new FisherOperator(problem.Objective(), samplesPerInput: 0));
    }
}

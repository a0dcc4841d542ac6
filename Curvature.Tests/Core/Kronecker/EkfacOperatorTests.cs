using Curvature.Kronecker;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>EKFAC's two promises, against dense GGN blocks: an exact trace, and an error that is never above KFAC's.</summary>
public sealed class EkfacOperatorTests(ITestOutputHelper output)
{
    private static readonly KfacOptions Exact = new() { Gradients = FactorGradients.Exact };

    public static TheoryData<string> Cases =>
    [
        "tanh-mlp cross-entropy", "gelu-mlp cross-entropy sum", "relu-mlp smoothed", "silu-mlp weighted, ignored", "tanh-mlp weighted, smoothed sum", "tanh-mlp mse sum", "tanh-mlp bce of three",
        "softmax regression", "frozen and unused parameters", "conv", "conv, batch norm in eval mode", "conv, a label a pixel, ignored", "layer norm", "sequence mse",
    ];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Has_the_ggns_trace_and_no_more_error_than_kfac(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        Tensor dense = DenseCurvature.Ggn(problem, 3, 1, 3);
        foreach (WeightSharing sharing in Enum.GetValues<WeightSharing>())
        {
            KfacOptions options = Exact with { Sharing = sharing };
            using KfacOperator kfac = KfacOperator.Of(problem.Objective(3, 1, 3), problem.Model, options);
            using EkfacOperator ekfac = EkfacOperator.Of(problem.Objective(3, 1, 3), problem.Model, options);
            Tensor blocks = KfacOperatorTests.Blocks(dense, kfac);
            double of = Matrices.RelativeDifference(kfac.ToDense(), blocks), corrected = Matrices.RelativeDifference(ekfac.ToDense(), blocks);
            output.WriteLine($"{name}, {sharing}: error {of:g3}, corrected {corrected:g3}; trace {dense.trace().ToDouble():g6}, KFAC's {kfac.ExactTrace:g6}");
            Assert.True(corrected <= of + 1e-12);
            Assert.Equal(dense.trace().ToDouble(), ekfac.ExactTrace!.Value, 1e-10 * dense.trace().ToDouble());
            Assert.Equal(ekfac.ToDense().norm().ToDouble(), ekfac.FrobeniusNorm, 1e-10);
        }
    }

    [Fact]
    public void With_draws_its_trace_is_that_of_the_fisher_matrix_of_the_same_draws()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp weighted, smoothed, ignored");
        using EkfacOperator ekfac = EkfacOperator.Of(problem.Objective(4, 3), problem.Model, new KfacOptions { Seed = 3 });
        Assert.Equal(DenseCurvature.Fisher(problem, 3, 4, 3).trace().ToDouble(), ekfac.ExactTrace!.Value, 1e-12);
    }

    [Fact]
    public void Corrects_the_eigenvalues_of_an_embedding()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(2);
        Problem problem = KroneckerCases.Tokens();
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        using EkfacOperator ekfac = EkfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        Tensor dense = DenseCurvature.Ggn(problem), blocks = KfacOperatorTests.Blocks(dense, kfac);
        double of = Matrices.RelativeDifference(kfac.ToDense(), blocks), corrected = Matrices.RelativeDifference(ekfac.ToDense(), blocks);
        Assert.True(corrected <= of + 1e-12, $"{corrected} {of}");
        Assert.Equal(dense.trace().ToDouble(), ekfac.ExactTrace!.Value, 1e-11);
        Assert.All(kfac.Registration.Parameters, p => Assert.Equal(BlockKind.Kronecker, p.Kind));
    }

    [Fact]
    public void Refuses_factors_of_another_choice_of_parameters()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using KfacFactors factors = new(problem.Model, ParameterSpace.Of(problem.Model, "fc1.*"));
        Assert.Contains("other parameters", Assert.Throws<CurvatureException>(() => EkfacOperator.Of(factors, problem.Objective())).Message, StringComparison.Ordinal);
    }
}

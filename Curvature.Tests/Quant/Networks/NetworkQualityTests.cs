using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Networks;

public sealed class NetworkQualityTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("silu-mlp weighted, ignored")]
    [InlineData("conv, a label a pixel, ignored")]
    [InlineData("tanh-mlp bce of three")]
    [InlineData("gelu-mlp cross-entropy sum")]
    [InlineData("tanh-mlp mse")]
    public void Loss_is_the_objective_s_and_accuracy_the_share_of_right_answers(string name)
    {
        Problem problem = Problems.Create(name);
        var quality = NetworkQuality.Of(problem.Model, problem.Batches(4, 3), problem.Loss);
        Assert.Equal(problem.Objective(4, 3).Value(), quality.Loss, 1e-12);
        Tensor z = problem.Model.forward(problem.Inputs), y = problem.Targets;
        Tensor? right = problem.Loss switch { CrossEntropy => z.argmax(1).eq(y), BinaryCrossEntropy => z.gt(0).eq(y), _ => null };
        Tensor counts = problem.LossOptions.IgnoreIndex is { } ignored ? y.ne(ignored) : ones_like(y);
        double? expected = right?.mul(counts).sum().ToDouble() / counts.sum().ToDouble();
        Assert.Equal(expected is null, quality.Accuracy is null);
        Assert.Equal(expected ?? 0, quality.Accuracy ?? 0, 1e-12);
    }

    [Fact]
    public void Is_in_evaluation_mode_and_puts_modes_back()
    {
        Linear fc = nn.Linear(4, 2).to(Here);
        Dropout dropout = nn.Dropout(0.9);
        using Sequential model = nn.Sequential(("dropout", dropout), ("fc", fc)).to(Here);
        model.train();
        fc.eval();
        Batch[] batches = [new Batch(randn(8, 4).to(Here), zeros(8, ScalarType.Int64, device: Here))];
        Assert.Equal(NetworkQuality.Of(model, batches, new CrossEntropy()), NetworkQuality.Of(model, batches, new CrossEntropy()));
        Assert.True(dropout.training && !fc.training);
        Assert.Contains(
            "The model rejected batch 0: inputs of shape [8, 3]", Assert.Throws<CurvatureException>(() => NetworkQuality.Of(model, [new Batch(randn(8, 3).to(Here), zeros(8, ScalarType.Int64, device: Here))], new CrossEntropy())).Message, StringComparison.Ordinal);
        Assert.Contains("no loss terms", Assert.Throws<CurvatureException>(() => NetworkQuality.Of(model, [], new CrossEntropy())).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _scope.Dispose();
}

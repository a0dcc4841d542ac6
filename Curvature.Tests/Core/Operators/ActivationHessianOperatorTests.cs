using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

public sealed class ActivationHessianOperatorTests
{
    [Theory]
    [InlineData("tanh-mlp cross-entropy", "act")]
    [InlineData("tanh-mlp cross-entropy", "fc1")]
    [InlineData("tanh-mlp weighted, smoothed, ignored", "act")]
    [InlineData("tanh-mlp mse sum", "fc1")]
    [InlineData("tanh-mlp bce", "fc2")]
    [InlineData("conv, batch norm in eval mode", "conv")]
    [InlineData("conv, batch norm in train mode", "conv")]
    [InlineData("layer norm", "fc1")]
    [InlineData("layer norm", "norm")]
    [InlineData("gelu-mlp cross-entropy sum", "fc1")]
    [InlineData("relu-mlp smoothed", "fc1")]
    [InlineData("silu-mlp weighted, ignored", "fc1")]
    [InlineData("tanh-mlp bce of three sum", "act")]
    [InlineData("conv, a label a pixel, ignored", "conv1")]
    [InlineData("frozen and unused parameters", "fc1")]
    [InlineData("sequence mse", "act")]
    public void Is_the_Hessian_of_the_rest_of_the_network(string name, string layer)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        Tensor expected = Dense(problem, layer, 4, 3);
        using ActivationHessianOperator h = new(problem.Objective(4, 3), problem.Model, layer);
        using ActivationHessianOperator fresh = new(problem.Objective(4, 3), problem.Model, layer, new CurvatureOptions { GraphMemory = 0 });
        Assert.Equal(expected.shape[0], h.Rows);
        Assert.True(Matrices.RelativeDifference(h.ToDense(), expected) < 1e-9);
        Assert.True(Matrices.RelativeDifference(fresh.ToDense(), expected) < 1e-9);
        Tensor u = randn(h.Columns, ScalarType.Float64).to(Here), v = randn(h.Columns, ScalarType.Float64).to(Here), hu = h.Apply(u), hv = h.Apply(v);
        Assert.Equal(v.dot(hu).ToDouble(), u.dot(hv).ToDouble(), 1e-12 * (v.norm() * hu.norm()).ToDouble());
        foreach (double c in (double[])[1e-6, 1e6])
        {
            Assert.True(Matrices.RelativeDifference(h.Apply(v.mul(c)), hv.mul(c)) < 1e-12);
        }

        Problem rounded = problem.ToSinglePrecision();
        using ActivationHessianOperator single = new(rounded.Objective(4, 3), rounded.Model, layer);
        Assert.True(Matrices.RelativeDifference(single.ToDense(), expected) < 1e-4);
    }

    [Theory]
    [InlineData(LayerSide.Input)]
    [InlineData(LayerSide.Output)]
    public void A_model_may_end_a_scope_of_its_own_with_its_forward_pass(LayerSide side)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        using var lenet = new LeNet();
        lenet.to(Here).to(ScalarType.Float64);
        Tensor x = randn(3, 1, 28, 28, ScalarType.Float64).to(Here), y = tensor(new long[] { 1, 4, 9 }, device: Here);
        using ActivationHessianOperator h = new(Objective.Supervised(lenet, new CrossEntropy(), [new Batch(x, y)]), lenet, "fc3", side: side);
        Tensor w = side == LayerSide.Input ? lenet.get_parameter("fc3.weight")! : eye(10, dtype: ScalarType.Float64, device: Here), p = lenet.call(x).softmax(1);
        Tensor[] blocks = [.. Enumerable.Range(0, 3).Select(i => w.t().mm(p[i].diag().sub(p[i].outer(p[i]))).mm(w).div(3))];
        Assert.True(Matrices.RelativeDifference(h.ToDense(), block_diag(blocks)) < 1e-12);
    }

    [Fact]
    public void Has_one_block_for_each_sample()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using ActivationHessianOperator h = new(problem.Objective(), problem.Model, "act");
        long size = h.Rows / Problems.Rows;
        Tensor between = ones(h.Rows, h.Rows, ScalarType.Float64, device: Here).sub(block_diag([.. Enumerable.Repeat(ones(size, size, ScalarType.Float64, device: Here), (int)Problems.Rows)]));
        Assert.Equal(0, h.ToDense().mul(between).abs().max().ToDouble());
    }

    [Fact]
    public void Leaves_the_model_as_it_was()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in train mode");
        Tensor[] before = [.. problem.Model.state_dict().Values.Select(t => t.clone())];
        Tensor gradient = problem.Objective().Gradient();
        using ActivationHessianOperator h = new(problem.Objective(), problem.Model, "act");
        h.Apply(ones(h.Columns, ScalarType.Float64, device: Here));
        Assert.All(before.Zip(problem.Model.state_dict().Values), pair => Assert.True(pair.First.Equals(pair.Second)));
        Assert.All(problem.Model.parameters(), p => Assert.Null(p.grad));
        Assert.True(gradient.Equals(problem.Objective().Gradient())); // with a hook left behind, no gradient would reach the layers below
    }

    [Fact]
    public void A_layer_that_is_not_there_or_not_called_once_is_refused_by_name()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        Assert.Contains("fc1, act, fc2", Assert.Throws<CurvatureException>(() => new ActivationHessianOperator(problem.Objective(), problem.Model, "fc9")).Message, StringComparison.Ordinal);
        Tanh shared = nn.Tanh();
        Sequential twice = nn.Sequential(("a", nn.Linear(4, 4)), ("act", shared), ("b", nn.Linear(4, 3)), ("again", shared)).to(Here);
        Objective objective = Objective.Supervised(twice, new CrossEntropy(), [new Batch(problem.Inputs, problem.Targets)]);
        Assert.Contains("2 times", Assert.Throws<CurvatureException>(() => new ActivationHessianOperator(objective, twice, "act")).Message, StringComparison.Ordinal);
    }

    /// <summary>The layers up to the one named give the activations; those above it and the loss are differentiated twice, batch by batch.</summary>
    private static Tensor Dense(Problem problem, string layer, params long[] sizes)
    {
        using IDisposable grad = enable_grad();
        nn.Module<Tensor, Tensor>[] layers = [.. problem.Model.named_children().Select(child => (nn.Module<Tensor, Tensor>)child.module)];
        int cut = problem.Model.named_children().Select(child => child.name).ToList().IndexOf(layer) + 1;
        bool mean = problem.Loss.Reduction == Reduction.Mean;
        List<Tensor> blocks = [];
        double terms = 0;
        foreach (Batch batch in problem.Batches(sizes))
        {
            Tensor a = layers[..cut].Aggregate(batch.Inputs, (x, next) => next.forward(x)).detach().requires_grad_();
            Tensor loss = problem.Loss.Value(layers[cut..].Aggregate(a, (x, next) => next.forward(x)), batch.Targets);
            Tensor gradient = autograd.grad([loss], [a], retain_graph: true, create_graph: true)[0];
            double weight = mean ? problem.Loss.Terms(batch.Targets) : 1;
            blocks.Add(DenseCurvature.Rows(gradient.reshape(-1), [a]).mul(weight));
            terms += weight;
        }

        return block_diag([.. blocks]).div(mean ? terms : 1);
    }
}

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
        nn.Module<Tensor, Tensor>[] layers = [.. problem.Model.named_children().Select(child => (nn.Module<Tensor, Tensor>)child.module)];
        int cut = problem.Model.named_children().Select(child => child.name).ToList().IndexOf(layer) + 1;
        Tensor Run(Tensor x, Range range) => layers[range].Aggregate(x, (x, next) => next.forward(x));
        AssertAgrees(problem, layer, LayerSide.Output, x => (Run(x, ..cut), a => Run(a, cut..)), 4, 3);
    }

    /// <summary>Of generated problems, the activations and what is made of them in place of the layer's.</summary>
    private static readonly Dictionary<string, (string Problem, string Layer, LayerSide Side, Func<CaseNetwork, Tensor, (Tensor, Func<Tensor, Tensor>)> Cut)> Inner = new()
    {
        ["embedding"] = ("embedding, cross-entropy, all", "stem", LayerSide.Output, (network, x) => (network.Stem.call(x), network.FromStem)),
        ["embedding that is the head too"] = ("embedding, masked cross-entropy, tied", "stem", LayerSide.Output, (network, x) => (network.Stem.call(x), network.FromStem)),
        ["below a tied head"] = ("attention, cross-entropy sum, tied", "core", LayerSide.Output, (network, x) => (network.Core.call(network.Stem.call(x)), network.FromCore)),
        ["embedding below attention"] = ("attention, mse, tied", "stem", LayerSide.Output, (network, x) => (network.Stem.call(x), network.FromStem)),
        ["attention with a shortcut, its input"] = ("attention, bce, frozen", "core", LayerSide.Input, (network, x) => (network.Stem.call(x), network.FromStem)),
        ["what one layer sees of a shortcut's input"] = ("attention, masked cross-entropy, all", "core.query", LayerSide.Input, Queried),
        ["values of attention"] = ("attention, bce sum, tied", "core.value", LayerSide.Output, Values),
        ["convolution below one that is called twice"] = ("conv, mse sum, tied", "stem.conv", LayerSide.Output, (network, x) =>
            (((nn.Module<Tensor, Tensor>)network.Stem.named_children().First().module).call(x), a => network.FromStem(a.tanh()))),
        ["input of the last layer"] = ("mlp, bce sum, frozen", "head", LayerSide.Input, (network, x) => (network.Core.call(network.Stem.call(x)), network.FromCore)),
    };

    private static (Tensor, Func<Tensor, Tensor>) Queried(CaseNetwork network, Tensor x)
    {
        Tensor features = network.Stem.call(x).detach();
        return (features.clone(), a => network.FromCore(((CaseNetwork.Mixing)network.Core).FromQueried(features, a)));
    }

    private static (Tensor, Func<Tensor, Tensor>) Values(CaseNetwork network, Tensor x)
    {
        (Tensor features, CaseNetwork.Mixing mixing) = (network.Stem.call(x).detach(), (CaseNetwork.Mixing)network.Core);
        return (mixing.Values(features), a => network.FromCore(mixing.FromValues(features, a)));
    }

    public static TheoryData<string> InnerNames => [.. Inner.Keys];

    [Theory]
    [MemberData(nameof(InnerNames))]
    public void Is_that_of_the_rest_of_networks_with_attention_shortcuts_and_tied_weights(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (string about, string layer, LayerSide side, Func<CaseNetwork, Tensor, (Tensor, Func<Tensor, Tensor>)> cut) = Inner[name];
        Problem problem = CaseTable.Create(about);
        AssertAgrees(problem, layer, side, x => cut((CaseNetwork)problem.Model, x), 3, 1, 3);
    }

    private static void AssertAgrees(Problem problem, string layer, LayerSide side, Func<Tensor, (Tensor, Func<Tensor, Tensor>)> cut, params long[] sizes)
    {
        Tensor expected = Dense(problem, cut, sizes);
        using ActivationHessianOperator h = new(problem.Objective(sizes), problem.Model, layer, side: side);
        using ActivationHessianOperator fresh = new(problem.Objective(sizes), problem.Model, layer, new CurvatureOptions { GraphMemory = 0 }, side);
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
        using ActivationHessianOperator single = new(rounded.Objective(sizes), rounded.Model, layer, side: side);
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

    /// <summary>What a cut gives of a batch's inputs, the activations and the rest of the network, and the loss are differentiated twice, batch by batch; batches without loss terms have no activations.</summary>
    private static Tensor Dense(Problem problem, Func<Tensor, (Tensor, Func<Tensor, Tensor>)> cut, params long[] sizes)
    {
        using IDisposable grad = enable_grad();
        bool mean = problem.Loss.Reduction == Reduction.Mean;
        List<Tensor> blocks = [];
        double terms = 0;
        foreach (Batch batch in problem.Batches(sizes).Where(batch => problem.Loss.Terms(batch.Targets) != 0))
        {
            (Tensor activations, Func<Tensor, Tensor> rest) = cut(batch.Inputs);
            Tensor a = activations.detach().requires_grad_();
            Tensor loss = problem.Loss.Value(rest(a), batch.Targets);
            Tensor gradient = autograd.grad([loss], [a], retain_graph: true, create_graph: true)[0];
            double weight = mean ? problem.Loss.Terms(batch.Targets) : 1;
            blocks.Add(DenseCurvature.Rows(gradient.reshape(-1), [a]).mul(weight));
            terms += weight;
        }

        return block_diag([.. blocks]).div(mean ? terms : 1);
    }
}

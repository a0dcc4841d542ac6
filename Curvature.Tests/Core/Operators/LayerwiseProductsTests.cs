using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>Hessians of convolutional networks that go through their layers in all the ways there are: products by layers are those of the whole graph.</summary>
public sealed class LayerwiseProductsTests
{
    private const ScalarType Double = ScalarType.Float64;

    private static readonly Dictionary<string, Func<Network>> Networks = new(StringComparer.Ordinal)
    {
        ["called twice"] = () => Of((x, m) => m[1].call(m[0].call(m[0].call(x).tanh()).relu()), Conv(2, 2), Conv(2, 3)),
        ["sum in place"] = () => Of((x, m) => m[2].call(m[0].call(x).add_(m[1].call(x)).sigmoid()), Conv(2, 4), Conv(2, 4), Conv(4, 3)),
        ["residual"] = () => Of((x, m) => { Tensor y = m[0].call(x); return m[2].call(m[1].call(y.relu()).add(y)); }, Conv(2, 4), Conv(4, 4), Conv(4, 3)),
        ["difference of two layers"] = () => Of((x, m) => m[2].call(m[0].call(x).sub(m[1].call(x)).tanh()), Conv(2, 4), Conv(2, 4), Conv(4, 3)),
        ["product of two layers"] = () => Of((x, m) => m[0].call(x).mul(m[1].call(x)), Conv(2, 3), Conv(2, 3)),
        ["output that nothing uses"] = () => Of((x, m) => { m[1].call(x); return m[0].call(x).tanh(); }, Conv(2, 3), Conv(2, 3)),
        ["weight used outside its layer"] = () => Of((x, m) => m[0].call(x).tanh().mul(((Conv2d)m[0]).weight.square().sum()), Conv(2, 3)),
        ["norm in train mode"] = () => Of((x, m) => m[2].call(m[1].call(m[0].call(x)).relu()), Conv(2, 4), nn.BatchNorm2d(4, dtype: Double), Conv(4, 3)),
        ["norm in evaluation mode, frozen weight"] = () => Evaluated(Frozen(Of((x, m) => m[2].call(m[1].call(m[0].call(x)).tanh()), Conv(2, 4), nn.BatchNorm2d(4, dtype: Double), Conv(4, 3)), "1.weight")),
        ["norm without weights"] = () => Evaluated(Of((x, m) => m[2].call(m[1].call(m[0].call(x)).tanh()), Conv(2, 4), nn.BatchNorm2d(4, affine: false, dtype: Double), Conv(4, 3))),
        ["norm without running statistics"] = () => Evaluated(Of((x, m) => m[2].call(m[1].call(m[0].call(x)).tanh()), Conv(2, 4), nn.BatchNorm2d(4, track_running_stats: false, dtype: Double), Conv(4, 3))),
        ["frozen weight"] = () => Frozen(Of((x, m) => m[1].call(m[0].call(x).tanh()), Conv(2, 4), Conv(4, 3)), "0.weight"),
        ["frozen bias"] = () => Frozen(Of((x, m) => m[1].call(m[0].call(x).tanh()), Conv(2, 4), Conv(4, 3)), "1.bias"),
        ["frozen last layer"] = () => Frozen(Of((x, m) => m[1].call(m[0].call(x).tanh()), Conv(2, 4), Conv(4, 3)), "1.weight", "1.bias"),
        ["groups, stride, dilation"] = () => Of(
            (x, m) => m[1].call(m[0].call(x).tanh()), nn.Conv2d(2, 4, 3, stride: 2, padding: 1, groups: 2, bias: false, dtype: Double), nn.Conv2d(4, 3, 2, dilation: 2, padding: 2, dtype: Double)),
        ["padding same"] = () => Of((x, m) => m[1].call(m[0].call(x).tanh()), nn.Conv2d(2, 4, 3, padding: Padding.Same, dtype: Double), Conv(4, 3)),
        ["padded by reflection"] = () => Of((x, m) => m[1].call(m[0].call(x).tanh()), nn.Conv2d(2, 4, 3, padding: 1, padding_mode: PaddingModes.Reflect, dtype: Double), Conv(4, 3)),
        ["one dimension"] = () => Of((x, m) => m[1].call(m[0].call(x.flatten(2)).tanh()), nn.Conv1d(2, 4, 3, dtype: Double), nn.Conv1d(4, 3, 3, stride: 2, dtype: Double)),
        ["three dimensions"] = () => Of((x, m) => m[1].call(m[0].call(x.unsqueeze(2)).tanh()), nn.Conv3d(2, 4, 1, dtype: Double), nn.Conv3d(4, 3, 1, dtype: Double)),
        ["hook behind a convolution without bias"] = () => Hooked(Of((x, m) => m[1].call(m[0].call(x).sigmoid()), nn.Conv2d(2, 4, 3, bias: false, dtype: Double), Conv(4, 3))),
        ["in place behind a norm at zero"] = () => Evaluated(Of((x, m) => m[2].call(m[1].call(m[0].call(x.mul(x.flatten(1).sum(dim: 1).gt(0).to(Double).reshape(-1, 1, 1, 1)))).mul_(2)).tanh(), nn.Conv2d(2, 4, 3, bias: false, dtype: Double), nn.BatchNorm2d(4, dtype: Double), Conv(4, 3))),
        ["one sample at a time"] = () => Of((x, m) => stack([.. Enumerable.Range(0, (int)x.shape[0]).Select(i => m[1].call(m[0].call(x.select(0, i)).tanh()))]), Conv(2, 4), Conv(4, 3)),
        ["pools and a linear layer"] = () => Of(
            (x, m) => m[1].call(nn.functional.max_pool2d(m[0].call(x), [2, 2]).mean([2, 3], keepdim: true).flatten(1)).unsqueeze(2), Conv(2, 4), nn.Linear(4, 3, dtype: Double)),
    };

    /// <summary>Those that are left whole, and why; all others are cut.</summary>
    private static readonly Dictionary<string, string> Obstacles = new(StringComparer.Ordinal)
    {
        ["padding same"] = "belongs to a convolution of another kind",
        ["padded by reflection"] = "belongs to a convolution of another kind",
        ["hook behind a convolution without bias"] = "a hook changes what a layer returns",
    };

    public static TheoryData<string> Names => [.. Networks.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Products_and_forms_are_those_of_the_whole_graph(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        using Network model = Networks[name]();
        model.to(Here);
        Batch[] batches = [.. new long[] { 3, 2 }.Select(n => new Batch(randn([n, 2, 5, 5], Double).to(Here), arange(n).remainder(3).to(Here)))];
        Objective objective = Objective.Supervised(model, new CrossEntropy(), batches);
        foreach (long? memory in (long?[])[null, 0])
        {
            using HessianOperator layers = new(objective, new CurvatureOptions { GraphMemory = memory }), whole = new(objective, new CurvatureOptions { ByLayers = false });
            using Tensor before = objective.Parameters.Snapshot();
            AssertSame(layers, whole);
            objective.Parameters.Assign(before.mul(1.5).add(0.1)); // other kinks and curvatures than the kept graphs had
            AssertSame(layers, whole);
            objective.Parameters.Assign(before);
            Assert.Equal(Obstacles.ContainsKey(name), layers.LayersObstacle is not null);
            Assert.Contains(Obstacles.GetValueOrDefault(name, ""), layers.LayersObstacle ?? "", StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("residual")]
    [InlineData("groups, stride, dilation")]
    [InlineData("norm in evaluation mode, frozen weight")]
    public void Products_in_single_precision_are_those_of_the_whole_graph(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(5);
        using Network model = Networks[name]();
        model.to(Here).to(ScalarType.Float32);
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(randn([40, 2, 5, 5]).to(Here), arange(40).remainder(3).to(Here))]);
        using HessianOperator layers = new(objective), whole = new(objective, new CurvatureOptions { ByLayers = false });
        Tensor V = QuadraticFormsTests.Directions(whole.Columns).to(ScalarType.Float32);
        Assert.True(Matrices.RelativeDifference(layers.Apply(V), whole.Apply(V)) < 1e-4);
        Assert.Null(layers.LayersObstacle);
    }

    [Fact]
    public void Kept_graphs_follow_the_running_statistics_of_a_norm()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(6);
        BatchNorm2d norm = nn.BatchNorm2d(4, dtype: Double);
        using Network model = Evaluated(Of((x, m) => m[2].call(m[1].call(m[0].call(x)).tanh()), Conv(2, 4), norm, Conv(4, 3)));
        model.to(Here);
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(randn([3, 2, 5, 5], Double).to(Here), arange(3).to(Here))]);
        using HessianOperator layers = new(objective), whole = new(objective, new CurvatureOptions { ByLayers = false });
        Tensor before = whole.Apply(ones(whole.Columns, Double, device: Here));
        AssertSame(layers, whole);
        using (no_grad())
        {
            norm.running_mean!.add_(0.5);
        }

        using HessianOperator anew = new(objective, new CurvatureOptions { ByLayers = false });
        Assert.True(Matrices.RelativeDifference(before, anew.Apply(ones(whole.Columns, Double, device: Here))) > 1e-3);
        AssertSame(layers, anew);
        Assert.Null(layers.LayersObstacle);
    }

    [Fact]
    public void Products_have_the_same_bits_whichever_graphs_fit_into_memory()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(7);
        using Network model = Of((x, m) => m[1].call(m[0].call(x).tanh()), Conv(2, 4), Conv(4, 3));
        model.to(Here);
        Batch[] batches = [.. Enumerable.Range(0, 3).Select(_ => new Batch(randn([32, 2, 5, 5], Double).to(Here), arange(32).remainder(3).to(Here)))];
        Objective objective = Objective.Supervised(model, new CrossEntropy(), batches);
        using HessianOperator whole = new(objective, new CurvatureOptions { ByLayers = false, GraphMemory = 0 });
        foreach (Tensor V in (Tensor[])[ones(whole.Columns, Double, device: Here), QuadraticFormsTests.Directions(whole.Columns)])
        {
            using HessianOperator all = new(objective), none = new(objective, new CurvatureOptions { GraphMemory = 1 });
            Tensor expected = all.Apply(V);
            Assert.True(Matrices.RelativeDifference(expected, whole.Apply(V)) < 1e-12);
            Assert.All((Tensor[])[all.Apply(V), all.Apply(V), none.Apply(V), none.Apply(V)], product => Assert.True(product.Equals(expected)));
            Assert.Null(all.LayersObstacle);
            Assert.Null(none.LayersObstacle);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Ranks_with_and_without_memory_for_graphs_take_the_same_sums(int without)
    {
        double[][] products = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using Generator generator = new(6);
            using Network model = Of((x, m) => m[1].call(m[0].call(x).tanh()), Conv(2, 4), Conv(4, 3));
            model.to(Here);
            ParameterSpace theta = ParameterSpace.Of(model);
            theta.Assign(empty([theta.Count], Double).normal_(0, 0.3, generator).to(Here));
            Batch[] all = [.. Enumerable.Range(0, 2).Select(i => new Batch(empty([2, 2, 5, 5], Double).normal_(0, 1, generator).to(Here), arange(2).to(Here)))];
            using HessianOperator layers = new(Objective.Supervised(model, new CrossEntropy(), [all[ranks.Rank]], ranks: ranks), new CurvatureOptions { GraphMemory = ranks.Rank == without ? 0 : null });
            using HessianOperator whole = new(Objective.Supervised(model, new CrossEntropy(), all), new CurvatureOptions { ByLayers = false });
            Tensor v = ones(theta.Count, Double, device: Here), product = layers.Apply(v);
            Assert.True(Matrices.RelativeDifference(product, whole.Apply(v)) < 1e-12);
            Assert.Null(layers.LayersObstacle);
            return layers.Apply(v).cpu().data<double>().ToArray();
        });
        Assert.Equal(products[0], products[1]);
    }

    [Fact]
    public void What_writes_in_place_is_known_to_all_ranks()
    {
        double[][] products = ThreadRanks.Run(3, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using Generator generator = new(4);
            using Network model = Of((x, m) => m[1].call(m[0].call(x).relu_()), Conv(2, 4), Conv(4, 3));
            model.to(Here);
            ParameterSpace theta = ParameterSpace.Of(model);
            theta.Assign(empty([theta.Count], Double).normal_(0, 0.3, generator).to(Here));
            Batch[] all = [.. Enumerable.Range(0, 2).Select(i => new Batch(empty([2, 2, 5, 5], Double).normal_(0, 1, generator).to(Here), arange(2).to(Here)))];
            using HessianOperator layers = new(Objective.Supervised(model, new CrossEntropy(), ranks.Rank == 2 ? [] : [all[ranks.Rank]], ranks: ranks));
            using HessianOperator whole = new(Objective.Supervised(model, new CrossEntropy(), all), new CurvatureOptions { ByLayers = false });
            Tensor v = ones(theta.Count, Double, device: Here);
            Tensor product = layers.Apply(v);
            Assert.Null(layers.LayersObstacle);
            Assert.True(Matrices.RelativeDifference(product, whole.Apply(v)) < 1e-12);
            return product.cpu().data<double>().ToArray();
        });
        Assert.All(products, product => Assert.Equal(products[0], product));
    }

    private static void AssertSame(HessianOperator layers, HessianOperator whole)
    {
        Tensor V = QuadraticFormsTests.Directions(whole.Columns), expected = whole.Apply(V);
        Assert.True(Matrices.RelativeDifference(layers.Apply(V), expected) < 1e-11, $"{Matrices.RelativeDifference(layers.Apply(V), expected)}; {layers.LayersObstacle}");
        Assert.True(Matrices.RelativeDifference(layers.Apply(V.select(1, 3)), expected.select(1, 3)) < 1e-11);
        QuadraticFormsTests.AssertFormsOf(layers, V, expected, 1e-12 * expected.norm().ToDouble() * V.norm().ToDouble());
    }

    private static Conv2d Conv(long inputs, long outputs) => nn.Conv2d(inputs, outputs, 3, padding: 1, dtype: Double);

    private static Network Of(Func<Tensor, nn.Module<Tensor, Tensor>[], Tensor> forward, params nn.Module<Tensor, Tensor>[] layers) => new(forward, layers);

    private static Network Hooked(Network model)
    {
        ((Conv2d)model.children().First()).register_forward_hook((_, _, output) => output.tanh());
        return model;
    }

    private static Network Evaluated(Network model)
    {
        model.eval();
        return model;
    }

    private static Network Frozen(Network model, params string[] names)
    {
        foreach (string name in names)
        {
            model.get_parameter(name)!.requires_grad = false;
        }

        return model;
    }

    /// <summary>Layers, what is made of them, and a mean over what lies behind the first two dimensions.</summary>
    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Func<Tensor, nn.Module<Tensor, Tensor>[], Tensor> _forward;
        private readonly nn.Module<Tensor, Tensor>[] _layers;

        public Network(Func<Tensor, nn.Module<Tensor, Tensor>[], Tensor> forward, nn.Module<Tensor, Tensor>[] layers) : base("network")
        {
            (_forward, _layers) = (forward, layers);
            for (int i = 0; i < layers.Length; i++)
            {
                register_module($"{i}", layers[i]);
            }
        }

        public override Tensor forward(Tensor input)
        {
            Tensor output = _forward(input, _layers);
            return output.flatten(2).square().add(output.flatten(2)).mean([2]);
        }
    }
}

using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Sensitivity;

/// <summary>Every sensitivity against dense matrices of the same network.</summary>
public sealed class KnownSensitivitiesTests : IDisposable
{
    private static readonly int[] Widths = [2, 3, 8];

    private readonly DisposeScope _scope = NewDisposeScope();

    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("conv, batch norm in eval mode")]
    [InlineData("frozen and unused parameters")]
    public void Numbers_are_those_of_dense_matrices(string name)
    {
        (Problem problem, SensitivityProblem sensitivities) = Create(name);
        ParameterSpace space = sensitivities.Network.Weights;
        foreach (Tensor weight in space.Parameters)
        {
            weight.requires_grad = true; // for the dense matrices; below, a frozen one counts as well
        }

        Problem weights = new(problem.Model, problem.Inputs, problem.Targets, problem.Loss.Name, problem.LossOptions) { Parameters = space };
        (Tensor hessian, Tensor ggn, Tensor fisher) = (DenseCurvature.Hessian(weights, 4, 3), DenseCurvature.Ggn(weights, 4, 3), DenseCurvature.EmpiricalFisher(weights, 4, 3));
        space.Parameters[0].requires_grad = false;
        for (int l = 0; l < space.Parameters.Count; l++)
        {
            (long at, long n) = (space.Offset(l), space.Parameters[l].numel());
            Tensor Block(Tensor dense) => dense.narrow(0, at, n).narrow(1, at, n);
            for (int b = 0; b < Widths.Length; b++)
            {
                Tensor e = sensitivities.Errors.Layer(l).select(1, b);
                double square = e.dot(e).ToDouble();
                Near(Block(hessian).trace().ToDouble() / n * square, "hessian");
                Near(Block(ggn).trace().ToDouble() / n * square, "exact");
                Near(Block(fisher).trace().ToDouble() / n * square, "empirical-fisher");
                Near(0.5 * e.dot(Block(hessian).mv(e)).ToDouble(), "quadratic");
                Near(linalg.eigvalsh(Block(hessian)).abs().max().ToDouble() / n * square, "top-eigenvalue", 2e-3);
                Near(square, "error");
                Near(space.Parameters[l].square().mean().ToDouble() * square, "magnitude");

                void Near(double expected, string sensitivity, double tolerance = 1e-9) =>
                    Assert.Equal(expected, Tables(sensitivities)[sensitivity].Layers[l].SensitivityAt(Widths[b])!.Value, (tolerance * Math.Abs(expected)) + 1e-14);
            }
        }

        Assert.False(space.Parameters[0].requires_grad);
    }

    [Fact]
    public void Kronecker_forms_are_exact_where_the_factors_are()
    {
        // One sample and one layer: the block is the outer product of input and output gradients' moments.
        using Linear model = nn.Linear(4, 3, hasBias: false, dtype: ScalarType.Float64).to(Here);
        manual_seed(3);
        Tensor x = randn([1, 4], ScalarType.Float64).to(Here), y = zeros([1], ScalarType.Int64, device: Here);
        using var problem = new SensitivityProblem(QuantizableNetwork.Of(model), new CrossEntropy(), [new Batch(x, y)], Widths);
        LayerTable kfac = new KroneckerSensitivity().Measure(problem), form = new QuadraticSensitivity { Matrix = "ggn" }.Measure(problem);
        Assert.All(Widths, bits => Assert.Equal(form.Layers[0].SensitivityAt(bits)!.Value, kfac.Layers[0].SensitivityAt(bits)!.Value, 1e-12));
        Assert.True(form.Layers[0].SensitivityAt(2) > 0);
    }

    [Fact]
    public void On_a_quadratic_loss_the_increase_of_every_assignment_is_foretold()
    {
        using var model = new TwoPaths();
        manual_seed(4);
        Batch[] batches = [new Batch(randn([6, 5], ScalarType.Float64).to(Here), randn([6, 2], ScalarType.Float64).to(Here)), new Batch(randn([3, 5], ScalarType.Float64).to(Here), randn([3, 2], ScalarType.Float64).to(Here))];
        var network = QuantizableNetwork.Of(model, zeros([1, 5], ScalarType.Float64, device: Here));
        using var problem = new SensitivityProblem(network, new MeanSquaredError(), batches, Widths);
        QuadraticModel quadratic = new QuadraticSensitivity { WithSlope = true }.Model(problem);
        double before = NetworkQuality.Of(model, batches, new MeanSquaredError()).Loss;
        foreach ((int a, int b) in from a in Widths from b in Widths select (a, b))
        {
            using QuantizedWeights quantized = QuantizedWeights.Apply(network, new Dictionary<string, int> { ["a"] = a, ["b"] = b });
            Assert.Equal(NetworkQuality.Of(model, batches, new MeanSquaredError()).Loss - before, quadratic.Increase([a, b]), 1e-9);
        }

        LayerTable measured = new MeasuredSensitivity().Measure(problem), alone = new QuadraticSensitivity { WithSlope = true }.Measure(problem);
        Assert.All(measured.Layers.Zip(alone.Layers), pair => Assert.All(Widths, bits => Assert.Equal(pair.Second.SensitivityAt(bits)!.Value, pair.First.SensitivityAt(bits)!.Value, 1e-9)));
        Assert.Equal([6L, 4L], measured.Layers.Select(layer => layer.Macs!.Value));
        Assert.Equal(["a", "b"], quadratic.Layers);
    }

    [Fact]
    public void A_measured_increase_has_the_standard_error_of_paired_batches()
    {
        (_, SensitivityProblem problem) = Create("tanh-mlp cross-entropy");
        LayerTable measured = new MeasuredSensitivity().Measure(problem);
        double[] before = [.. problem.Batches.Select(Loss)];
        using QuantizedWeights quantized = QuantizedWeights.Apply(problem.Network, new Dictionary<string, int> { ["fc1"] = 2 });
        double[] d = [.. problem.Batches.Select(Loss).Zip(before, (after, b) => after - b)];
        double mean = ((4 * d[0]) + (3 * d[1])) / 7;
        Assert.Equal(mean, measured.Layers[0].SensitivityAt(2)!.Value, 1e-14);
        double variance = 2 * (Math.Pow(4 * (d[0] - mean) / 7, 2) + Math.Pow(3 * (d[1] - mean) / 7, 2));
        Assert.Equal(Math.Sqrt(variance), measured.Layers[0].StandardErrorAt(2), 1e-14);

        using var one = new SensitivityProblem(problem.Network, problem.Loss, [problem.Batches[0]], Widths);
        Assert.All(new MeasuredSensitivity().Measure(one).Layers, layer => Assert.Null(layer.SensitivityStandardError));

        double Loss(Batch batch) => NetworkQuality.Of(problem.Network.Module, [batch], problem.Loss).Loss;
    }

    [Fact]
    public void Estimated_traces_have_standard_errors_and_the_fine_tuning_order_follows_omega()
    {
        (_, SensitivityProblem problem) = Create("tanh-mlp cross-entropy");
        LayerTable few = KnownSensitivities.Create("hessian", new SensitivityOptions { Probes = 8, Seed = 1 }).Measure(problem), all = Tables(problem)["hessian"];
        Assert.All(few.Layers.Zip(all.Layers), pair =>
        {
            Assert.True(pair.First.StandardErrorAt(2) > 0 && pair.Second.StandardErrorAt(2) == 0);
            Assert.InRange(pair.First.SensitivityAt(2)!.Value - pair.Second.SensitivityAt(2)!.Value, -5 * pair.First.StandardErrorAt(2), 5 * pair.First.StandardErrorAt(2));
        });

        LayerTable top = Tables(problem)["top-eigenvalue"];
        IReadOnlyList<(string Layer, double Omega)> order = TopEigenvalueSensitivity.FineTuningOrder(top, new Dictionary<string, int> { ["fc1"] = 2, ["fc2"] = 8 });
        Assert.Equal(order.OrderByDescending(layer => layer.Omega), order);
        Assert.Equal(top.Layers[0].SensitivityAt(2)!.Value * 20, order.Single(layer => layer.Layer == "fc1").Omega, 1e-15);
        Assert.Contains("has no sensitivity at 4 bits", Assert.Throws<CurvatureException>(() => TopEigenvalueSensitivity.FineTuningOrder(top, new Dictionary<string, int> { ["fc1"] = 4, ["fc2"] = 8 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_catalogue_has_every_sensitivity_and_each_leaves_the_network_as_it_was()
    {
        Type[] types = [.. typeof(ISensitivity).Assembly.GetTypes().Where(type => type is { IsAbstract: false } && type.IsAssignableTo(typeof(ISensitivity)))];
        Assert.Equal(types.OrderBy(type => type.Name), KnownSensitivities.All.Select(known => known.Type).Distinct().OrderBy(type => type.Name));
        (Problem network, SensitivityProblem problem) = Create("conv, batch norm in train mode");
        using Tensor before = problem.Network.Weights.Snapshot();
        foreach (string name in KnownSensitivities.Names)
        {
            ISensitivity sensitivity = KnownSensitivities.Create(name, new SensitivityOptions { Probes = 2 });
            LayerTable table = sensitivity.Measure(problem);
            Assert.Equal(problem.Network.Layers.Select(layer => layer.Name), table.Layers.Select(layer => layer.Name));
            Assert.True(sensitivity.IncreaseFactor is null or 0.5 or 1);
            Assert.Equal(table.ToJson(), LayerTable.Parse(table.ToJson()).ToJson());
            Assert.True(network.Model.training);
            Assert.True(before.Equals(problem.Network.Weights.Snapshot()));
        }

        Assert.Contains(KnownSensitivities.ToMarkdown(), File.ReadAllText(Repository.File("docs/guide/quantization.md")), StringComparison.Ordinal);
        Assert.Contains("Known: hessian", Assert.Throws<CurvatureException>(() => KnownSensitivities.Create("nothing")).Message, StringComparison.Ordinal);
        Assert.Contains("from 2 to 8 bits, got [2, 9]", Assert.Throws<CurvatureException>(() => new SensitivityProblem(problem.Network, problem.Loss, problem.Batches, [2, 9])).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _scope.Dispose();

    private readonly Dictionary<SensitivityProblem, Dictionary<string, LayerTable>> _tables = [];

    private Dictionary<string, LayerTable> Tables(SensitivityProblem problem)
    {
        if (!_tables.TryGetValue(problem, out Dictionary<string, LayerTable>? tables))
        {
            var options = new SensitivityOptions { Probes = 10_000 };
            _tables[problem] = tables = KnownSensitivities.Names.Where(name => name != "kfac").ToDictionary(name => name, name => KnownSensitivities.Create(name, options).Measure(problem));
        }

        return tables;
    }

    private static (Problem, SensitivityProblem) Create(string name)
    {
        Problem problem = Problems.Create(name);
        return (problem, new SensitivityProblem(QuantizableNetwork.Of(problem.Model), problem.Loss, problem.Batches(4, 3), Widths));
    }

    /// <summary><c>A x_1 + B x_2</c>: its squared error is quadratic in both weights together.</summary>
    private sealed class TwoPaths : nn.Module<Tensor, Tensor>
    {
        private readonly Linear a = nn.Linear(3, 2, dtype: ScalarType.Float64).to(Here), b = nn.Linear(2, 2, hasBias: false, dtype: ScalarType.Float64).to(Here);

        public TwoPaths() : base(nameof(TwoPaths)) => RegisterComponents();

        public override Tensor forward(Tensor input) => a.call(input.narrow(1, 0, 3)).add(b.call(input.narrow(1, 3, 2)));
    }
}

using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Core.Kronecker;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

/// <summary>Exact traces and diagonals from per-sample gradients, against dense matrices from first principles.</summary>
public sealed class ExactLayerTracesTests(ITestOutputHelper output)
{
    private const long Rows = 7;

    /// <summary>Piecewise-linear networks: the traces are the Hessian's too.</summary>
    private static readonly Dictionary<string, Func<Problem>> Rectified = new()
    {
        ["relu-mlp smoothed"] = () => Problems.Create("relu-mlp smoothed"),
        ["weights, ignored label, no bias"] = () => Classifier(
            nn.Sequential(("fc1", nn.Linear(4, 5, hasBias: false, dtype: ScalarType.Float64)), ("act", nn.ReLU()), ("fc2", Linear(5, 3))).to(Here),
            [4],
            new LossOptions { ClassWeights = tensor([0.5, 1.0, 2.0], device: Here).DetachFromDisposeScope(), IgnoreIndex = 2 }),
        ["mse sum"] = () => new Problem(Perceptron(), Inputs(4), Inputs(3), "mse", new LossOptions { Reduction = Reduction.Sum }),
        ["bce"] = () => new Problem(Perceptron(), Inputs(4), rand([Rows, 3], ScalarType.Float64).to(Here), "bce"),
        ["convolutions: stride, padding, dilation, groups; pooling; in place"] = () => Classifier(
            nn.Sequential(
                ("conv1", nn.Conv2d(2, 4, 3, stride: 2, padding: 1, dtype: ScalarType.Float64)), ("act1", nn.ReLU(inplace: true)),
                ("conv2", nn.Conv2d(4, 6, 2, dilation: 2, groups: 2, bias: false, dtype: ScalarType.Float64)), ("act2", nn.ReLU()),
                ("conv3", nn.Conv2d(6, 3, 3, Padding.Same, padding_mode: PaddingModes.Reflect, dtype: ScalarType.Float64)), ("pool", nn.MaxPool2d(2)),
                ("average", nn.AvgPool2d(1)), ("drop", nn.Dropout()), ("flat", nn.Flatten()), ("fc", Linear(3, 3))).to(Here),
            [2, 8, 8]),
        ["convolution over a line, a Gram route"] = () => Classifier(
            nn.Sequential(("conv1", nn.Conv1d(3, 2, 5, padding: 2, stride: 3, dtype: ScalarType.Float64)), ("act", nn.ReLU()), ("flat", nn.Flatten()), ("fc", Linear(6, 3))).to(Here),
            [3, 7]),
        ["convolution over a volume"] = () => Classifier(
            nn.Sequential(("conv1", nn.Conv3d(1, 2, 2, dtype: ScalarType.Float64)), ("act", nn.ReLU()), ("flat", nn.Flatten()), ("fc", Linear(16, 3))).to(Here),
            [1, 3, 3, 3]),
        ["batch norm in evaluation mode"] = () => Classifier(
            nn.Sequential(
                ("conv", nn.Conv2d(1, 2, 3, dtype: ScalarType.Float64)), ("norm", nn.BatchNorm2d(2, dtype: ScalarType.Float64)), ("act", nn.ReLU()),
                ("flat", nn.Flatten()), ("norm1", nn.BatchNorm1d(8, dtype: ScalarType.Float64)), ("fc", Linear(8, 3))).to(Here),
            [1, 4, 4]),
        ["positions of a sequence"] = () => new Problem(Perceptron(), Inputs(6, 4), Inputs(6, 3), "mse"),
        ["a label a position"] = () => new Problem(
            nn.Sequential(("conv1", nn.Conv2d(1, 2, 3, padding: 1, dtype: ScalarType.Float64)), ("act", nn.ReLU()), ("conv2", nn.Conv2d(2, 3, 1, dtype: ScalarType.Float64))).to(Here),
            Inputs(1, 2, 3),
            Labels([Rows, 2, 3]),
            "cross-entropy",
            new LossOptions { IgnoreIndex = 0 }),
        ["functional forward pass"] = () => Classifier(new Functional(), [1, 6, 6]),
    };

    /// <summary>Networks where only the GGN's trace is exact, for some of their layers at least.</summary>
    private static readonly Dictionary<string, Func<Problem>> Curved = new()
    {
        ["tanh"] = () => Problems.Create("tanh-mlp weighted, smoothed, ignored"),
        ["layer norm and GELU"] = () => Problems.Create("layer norm"),
        ["frozen and unused parameters"] = () => Problems.Create("frozen and unused parameters"),
        ["pixels"] = () => Problems.Create("conv, a label a pixel, ignored"),
        ["tokens"] = () => KroneckerCases.Tokens(new LossOptions { IgnoreIndex = 2 }),
        ["a layer called twice"] = () => Classifier(new Twice(), [4]),
        ["a convolution called twice"] = () => Classifier(new TwiceConvolved(), [2, 4, 4]),
        ["a weight of two layers"] = () => new Problem(new KroneckerCases.TiedHead(), Labels([Rows, 3]), Labels([Rows, 3]), "cross-entropy"),
        ["queries of an attention"] = () => Attention("query.*"),
        ["values of an attention"] = () => Attention("value.*"),
    };

    public static TheoryData<string> RectifiedCases => [.. Rectified.Keys];

    public static TheoryData<string> Cases => [.. Rectified.Keys, .. Curved.Keys];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Traces_and_diagonal_are_those_of_the_dense_ggn(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Create(name);
        Tensor dense = DenseCurvature.Ggn(problem, 3, 4).diagonal();
        Objective objective = problem.Objective(3, 4);

        ExactTraceEstimate traces = new ExactLayerTraces().Estimate(objective, problem.Model);
        using DiagonalEstimate diagonal = new GgnDiagonal().Estimate(objective, problem.Model);

        AssertBlocks(problem.Parameters, dense, traces, 1e-9);
        Assert.True(Matrices.RelativeDifference(diagonal.Values, dense) < 1e-9, $"{Matrices.RelativeDifference(diagonal.Values, dense)}");
        Assert.Equal((0, 0.0, traces.Total.Products), (diagonal.Samples, diagonal.RelativeError, diagonal.Products));
    }

    [Theory]
    [MemberData(nameof(RectifiedCases))]
    public void On_piecewise_linear_networks_they_are_those_of_the_hessian(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Create(name);
        ExactTraceEstimate traces = new ExactLayerTraces { RequireHessian = true }.Estimate(problem.Objective(3, 4), problem.Model);
        Assert.True(traces.IsHessian);
        AssertBlocks(problem.Parameters, DenseCurvature.Hessian(problem, 3, 4).diagonal(), traces, 1e-9);
    }

    [Theory]
    [MemberData(nameof(RectifiedCases))]
    public void In_single_precision_too(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Create(name);
        Tensor dense = DenseCurvature.Ggn(problem, 3, 4).diagonal();
        problem.Model.to(ScalarType.Float32);
        ParameterSpace parameters = ParameterSpace.Of(problem.Model);
        Objective objective = Objective.Supervised(problem.Model, problem.Loss, problem.Batches(3, 4), parameters);

        ExactTraceEstimate traces = new ExactLayerTraces().Estimate(objective, problem.Model);
        using DiagonalEstimate diagonal = new GgnDiagonal().Estimate(objective, problem.Model);

        AssertBlocks(parameters, dense, traces, 1e-4);
        Assert.Equal(ScalarType.Float32, diagonal.Values.dtype);
        Assert.True(Matrices.RelativeDifference(diagonal.Values, dense) < 1e-4);
    }

    [Fact]
    public void The_l2_term_adds_its_coefficient_once_an_entry()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Create("relu-mlp smoothed");
        Objective plain = problem.Objective(), damped = Objective.Supervised(problem.Model, problem.Loss, problem.Batches(), l2: 0.25);
        ExactTraceEstimate a = new ExactLayerTraces().Estimate(plain, problem.Model), b = new ExactLayerTraces().Estimate(damped, problem.Model);
        Assert.Equal(a.Total.Value + (0.25 * problem.Parameters.Count), b.Total.Value, 1e-9);
        Assert.All(a.Layers.Zip(b.Layers), p => Assert.Equal(p.First.Trace.Value + (0.25 * p.First.Parameters), p.Second.Trace.Value, 1e-9));
        using DiagonalEstimate with = new GgnDiagonal().Estimate(damped, problem.Model), without = new GgnDiagonal().Estimate(plain, problem.Model);
        Tensor difference = with.Values.sub(without.Values);
        Assert.Equal(0.25, difference.min().ToDouble(), 1e-12);
        Assert.Equal(0.25, difference.max().ToDouble(), 1e-12);
    }

    [Theory]
    [InlineData("relu-mlp smoothed")]
    [InlineData("a label a position")]
    [InlineData("mse sum")]
    public void Draws_are_unbiased_and_their_standard_error_says_how_far_off_they_are(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Create(name);
        Objective objective = problem.Objective(3, 4);
        double exact = new ExactLayerTraces().Estimate(objective, problem.Model).Total.Value;
        Estimate estimate = new ExactLayerTraces { Draws = 400, Seed = 3 }.Estimate(objective, problem.Model).Total;
        output.WriteLine($"{exact} {estimate}");
        Assert.True(Math.Abs(estimate.Value - exact) < 4 * estimate.StandardError, $"{exact} {estimate}");
        Assert.InRange(estimate.StandardError, 1e-4 * exact, 0.2 * exact);
        Assert.Equal(400, estimate.Products);
        Assert.Equal(estimate, new ExactLayerTraces { Draws = 400, Seed = 3 }.Estimate(objective, problem.Model).Total);
    }

    [Theory]
    [InlineData("relu-mlp smoothed")]
    [InlineData("a label a position")]
    [InlineData("mse sum")]
    public void A_drawn_diagonal_is_that_of_the_drawn_trace_and_knows_the_error_of_its_entries(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Create(name);
        Objective objective = problem.Objective(3, 4);
        using DiagonalEstimate exact = new GgnDiagonal().Estimate(objective, problem.Model);
        using DiagonalEstimate drawn = new GgnDiagonal { Draws = 400, Seed = 3 }.Estimate(objective, problem.Model);
        Estimate trace = new ExactLayerTraces { Draws = 400, Seed = 3 }.Estimate(objective, problem.Model).Total;

        Assert.Equal(trace.Value, drawn.Values.sum().ToDouble(), 1e-9 * trace.Value);
        Assert.Equal((400, 400), (drawn.Samples, drawn.Products));
        Tensor z = drawn.Values.sub(exact.Values).div(drawn.StandardErrors).masked_select(exact.Values.gt(0));
        Assert.True(z.abs().max().ToDouble() < 5, $"{z.abs().max().ToDouble()} standard errors");

        // The errors stated are those that many seeds show.
        Tensor seeds = stack(Enumerable.Range(0, 60).Select(seed =>
        {
            using DiagonalEstimate few = new GgnDiagonal { Draws = 10, Seed = seed }.Estimate(objective, problem.Model);
            return few.Values.clone();
        }));
        using DiagonalEstimate one = new GgnDiagonal { Draws = 1 }.Estimate(objective, problem.Model);
        double shown = seeds.sub(seeds.mean([0], keepdim: true)).square().sum().ToDouble() / 59, stated = drawn.StandardErrors.square().sum().ToDouble() * 40;
        Assert.InRange(shown / stated, 0.6, 1.6);
        Assert.True(double.IsNaN(one.RelativeError));
    }

    [Fact]
    public void Names_what_keeps_a_layer_from_having_the_hessians_trace()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal([true, false], Obstacles("tanh").Select(o => o?.Contains("Tanh 'act'", StringComparison.Ordinal) ?? false)); // linear in the last layer
        Assert.Contains("acts 2 times", Obstacles("a layer called twice")[0], StringComparison.Ordinal);
        Assert.Contains("not piecewise linear", Obstacles(Classifier(new Functional(smooth: true), [1, 6, 6]))[0], StringComparison.Ordinal);
        Assert.Contains("'tokens.weight' acts 2 times", Obstacles("a weight of two layers")[0], StringComparison.Ordinal);
        Assert.Contains("not piecewise linear in it: the model holds LayerNorm 'norm'", Obstacles("layer norm and GELU")[0], StringComparison.Ordinal);
        foreach (string part in (string[])["query", "value"])
        {
            Problem attention = Attention($"{part}.*");
            string why = Assert.Throws<CurvatureException>(() => new ExactLayerTraces { RequireHessian = true }.Estimate(attention.Objective(), attention.Model)).Message;
            Assert.Contains($"block of '{part}' has no exact trace by per-sample gradients: the outputs are not piecewise linear in it", why, StringComparison.Ordinal);
            Assert.Contains("LayerNorm 'norm'", why, StringComparison.Ordinal);
        }

        Assert.Contains("'cube' is a Cube", Obstacles(Classifier(nn.Sequential(("fc1", Linear(4, 3)), ("cube", new Cube())).to(Here), [4]))[0], StringComparison.Ordinal);

        Problem tanh = Create("tanh");
        string refused = Assert.Throws<CurvatureException>(() => new ExactLayerTraces { RequireHessian = true }.Estimate(tanh.Objective(), tanh.Model)).Message;
        Assert.Contains("'fc1'", refused, StringComparison.Ordinal);
        Assert.Contains("HutchinsonTrace", refused, StringComparison.Ordinal);
    }

    [Fact]
    public void A_first_batch_of_one_row_does_not_hide_that_samples_see_each_other()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem crossed = Classifier(new Crossed(), [4]);
        string refused = Assert.Throws<CurvatureException>(() => new ExactLayerTraces().Estimate(crossed.Objective(1, Rows - 1), crossed.Model)).Message;
        Assert.Contains("depend on other samples at the layer 'fc'", refused, StringComparison.Ordinal);
        Assert.Contains("several rows", Assert.Throws<CurvatureException>(() => KfacFactors.Of(crossed.Objective(1, Rows - 1), crossed.Model)).Message, StringComparison.Ordinal);
        using KfacFactors whole = KfacFactors.Of(crossed.Objective(Rows - 1, 1), crossed.Model);
        Assert.All(whole.Registration.Parameters, p => Assert.Equal(BlockKind.BatchDiagonal, p.Kind));
        Problem apart = Create("relu-mlp smoothed");
        Assert.Equal(1, KfacFactors.Of(apart.Objective(1, 2, 1, Rows - 4), apart.Model).Updates);
    }

    [Fact]
    public void Refuses_by_name_what_has_no_per_sample_gradients_or_unknown_ones()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Contains("batch norm 'norm'", Refusal(Problems.Create("conv, batch norm in train mode")), StringComparison.Ordinal);
        Assert.Contains("'symbols.weight' also acts outside", Refusal(Problems.Create("attention, tied head, masked targets")), StringComparison.Ordinal);
        Assert.Contains("'scale' belongs to '', a Scaled", Refusal(Classifier(new KroneckerCases.Scaled(), [4])), StringComparison.Ordinal);
        Assert.Contains("'encoder.weight' also acts outside", Refusal(Problems.Create("tied weights")), StringComparison.Ordinal);
        Assert.Contains("depend on other samples at the layer 'fc'", Refusal(Classifier(new Crossed(), [4])), StringComparison.Ordinal);
        Assert.Contains("'fc' works on 14 rows", Refusal(Classifier(new Folded(), [4])), StringComparison.Ordinal);
        Problem known = Create("relu-mlp smoothed");
        Assert.Throws<CurvatureException>(() => new ExactLayerTraces { Draws = 0 }.Estimate(known.Objective(), known.Model));
        Objective closure = Objective.FromClosure(known.Parameters, [0], _ => known.Model.call(known.Inputs).sum(), _ => 1);
        Assert.Contains("apart", Assert.Throws<CurvatureException>(() => new ExactLayerTraces().Estimate(closure, known.Model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_torchscript_and_says_what_to_take()
    {
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel model = Checkpoint.Load(Repository.File("Curvature.Tests/Fixtures/torchscript/mlp-scripted-f64.pt"), device: Here);
        Objective objective = Objective.Supervised(model.Module, new MeanSquaredError(), [new Batch(zeros(1, 1, ScalarType.Float64, device: Here), zeros(1, 1, ScalarType.Float64, device: Here))]);
        string message = Assert.Throws<CurvatureException>(() => new ExactLayerTraces().Estimate(objective, model.Module)).Message;
        Assert.Contains("TorchScript", message, StringComparison.Ordinal);
        Assert.Contains("HutchinsonTrace", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Leaves_model_and_gradients_as_they_were()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Create("batch norm in evaluation mode");
        Objective objective = problem.Objective(3, 4);
        Tensor before = problem.Parameters.Snapshot(), hvp = new HessianOperator(objective).Apply(ones(problem.Parameters.Count, ScalarType.Float64, device: Here));
        new ExactLayerTraces().Estimate(objective, problem.Model);
        Assert.True(before.Equals(problem.Parameters.Snapshot()));
        Assert.All(problem.Parameters.Parameters, p => Assert.Null(p.grad));
        Assert.True(Matrices.RelativeDifference(new HessianOperator(objective).Apply(ones(problem.Parameters.Count, ScalarType.Float64, device: Here)), hvp) < 1e-14);
    }

    private static Problem Create(string name)
    {
        random.manual_seed(1);
        Problem problem = (Rectified.GetValueOrDefault(name) ?? Curved[name])();
        using (no_grad())
        {
            problem.Model.forward(problem.Inputs).Dispose(); // running statistics that are not their initial values
        }

        problem.Model.eval();
        return problem;
    }

    private static void AssertBlocks(ParameterSpace parameters, Tensor diagonal, ExactTraceEstimate traces, double tolerance)
    {
        double total = diagonal.sum().ToDouble();
        Assert.Equal(total, traces.Total.Value, tolerance * total);
        Assert.Equal(parameters.Layers.Select(l => (l.Name, l.Count)), traces.Layers.Select(l => (l.Name, l.Parameters)));
        foreach ((ParameterLayer layer, ExactLayerTrace trace) in parameters.Layers.Zip(traces.Layers))
        {
            double expected = layer.Indices.Sum(i => diagonal.narrow(0, parameters.Offset(i), parameters.Parameters[i].numel()).sum().ToDouble());
            Assert.True(Math.Abs(expected - trace.Trace.Value) <= tolerance * Math.Max(expected, 1e-3 * total), $"{layer.Name}: {expected} {trace.Trace.Value}");
            Assert.Equal(0, trace.Trace.StandardError);
        }
    }

    private static string?[] Obstacles(string name) => Obstacles(Create(name));

    private static string?[] Obstacles(Problem problem) =>
        [.. new ExactLayerTraces().Estimate(problem.Objective(), problem.Model).Layers.Select(l => l.Obstacle)];

    private static string Refusal(Problem problem) =>
        Assert.Throws<CurvatureException>(() => new ExactLayerTraces().Estimate(problem.Objective(), problem.Model)).Message;

    private static Problem Attention(string glob)
    {
        Problem all = Problems.Create("attention, tied head, masked targets");
        return new(all.Model, all.Inputs, all.Targets, "cross-entropy", all.LossOptions) { Parameters = ParameterSpace.Of(all.Model, glob) };
    }

    private static Problem Classifier(nn.Module<Tensor, Tensor> model, long[] shape, LossOptions? options = null) =>
        new(model, Inputs(shape), Labels([Rows]), "cross-entropy", options);

    private static Linear Linear(long inputs, long outputs) => nn.Linear(inputs, outputs, dtype: ScalarType.Float64).to(Here);

    private static Sequential Perceptron() => nn.Sequential(("fc1", Linear(4, 5)), ("act", nn.ReLU()), ("fc2", Linear(5, 3))).to(Here);

    private static Tensor Inputs(params long[] shape) => randn([Rows, .. shape], ScalarType.Float64).to(Here);

    private static Tensor Labels(long[] shape) =>
        arange(shape.Aggregate(1L, (product, size) => product * size), ScalarType.Int64, device: Here).remainder(3).reshape(shape);

    /// <summary>Its activation and pooling are functional calls.</summary>
    private sealed class Functional : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d conv = nn.Conv2d(1, 2, 3, dtype: ScalarType.Float64).to(Here);
        private readonly Linear fc = Linear(8, 3);
        private readonly bool _smooth;

        public Functional(bool smooth = false) : base("functional")
        {
            _smooth = smooth;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            Tensor x = conv.call(input);
            return fc.call(nn.functional.max_pool2d(_smooth ? x.tanh() : x.relu_(), 2).flatten(1));
        }
    }

    private sealed class Twice : nn.Module<Tensor, Tensor>
    {
        private readonly Linear fc1 = Linear(4, 4);
        private readonly Linear fc2 = Linear(4, 3);

        public Twice() : base("twice") => RegisterComponents();

        public override Tensor forward(Tensor input) => fc2.call(fc1.call(fc1.call(input).relu()).relu());
    }

    private sealed class TwiceConvolved : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d conv = nn.Conv2d(2, 2, 3, padding: 1, dtype: ScalarType.Float64).to(Here);
        private readonly Linear fc = Linear(32, 3);

        public TwiceConvolved() : base("twice convolved") => RegisterComponents();

        public override Tensor forward(Tensor input) => fc.call(conv.call(conv.call(input).relu()).relu().flatten(1));
    }

    /// <summary>Each row of its outputs sees the batch's mean.</summary>
    private sealed class Crossed : nn.Module<Tensor, Tensor>
    {
        private readonly Linear fc = Linear(4, 3);

        public Crossed() : base("crossed") => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            Tensor x = fc.call(input);
            return x.sub(x.mean([0], keepdim: true));
        }
    }

    /// <summary>Its layer sees two rows a sample.</summary>
    private sealed class Folded : nn.Module<Tensor, Tensor>
    {
        private readonly Linear fc = Linear(2, 3);

        public Folded() : base("folded") => RegisterComponents();

        public override Tensor forward(Tensor input) => fc.call(input.reshape(-1, 2)).reshape(-1, 2, 3).sum(dim: 1);
    }

    private sealed class Cube : nn.Module<Tensor, Tensor>
    {
        public Cube() : base("cube")
        {
        }

        public override Tensor forward(Tensor input) => input.relu();
    }
}

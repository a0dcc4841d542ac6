using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>The case table of the operator tests: tiny networks of all kinds, losses and reductions, in float64.</summary>
internal static class Problems
{
    public const long Rows = 7;

    /// <summary>Those whose rows do not see each other, so that batches may be of any size.</summary>
    public static IReadOnlyList<string> Names => [.. Catalogue.Keys.Where(name => !name.Contains("train mode", StringComparison.Ordinal))];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> AllNames => [.. Catalogue.Keys];

    private static readonly Dictionary<string, Func<Problem>> Catalogue = new()
    {
        ["tanh-mlp cross-entropy"] = () => Mlp(nn.Tanh()),
        ["gelu-mlp cross-entropy sum"] = () => Mlp(nn.GELU(), new LossOptions { Reduction = Reduction.Sum }),
        ["relu-mlp smoothed"] = () => AwayFromKinks(Mlp(nn.ReLU(), new LossOptions { LabelSmoothing = 0.1 })),
        ["silu-mlp weighted, ignored"] = () => Mlp(nn.SiLU(), new LossOptions { ClassWeights = Weights(), IgnoreIndex = 2 }),
        ["tanh-mlp weighted, smoothed, ignored"] =
            () => Mlp(nn.Tanh(), new LossOptions { ClassWeights = Weights(), IgnoreIndex = 2, LabelSmoothing = 0.2 }),
        ["tanh-mlp weighted, smoothed sum"] =
            () => Mlp(nn.Tanh(), new LossOptions { ClassWeights = Weights(), LabelSmoothing = 0.2, Reduction = Reduction.Sum }),
        ["tanh-mlp mse"] = () => Regression("mse"),
        ["tanh-mlp mse sum"] = () => Regression("mse", new LossOptions { Reduction = Reduction.Sum }),
        ["tanh-mlp bce"] = () => Binary(1),
        ["tanh-mlp bce of three"] = () => Binary(3),
        ["tanh-mlp bce of three sum"] = () => Binary(3, new LossOptions { Reduction = Reduction.Sum }),
        ["softmax regression"] = () => new Problem(nn.Linear(4, 3, dtype: ScalarType.Float64).to(Here), Inputs(4), Labels(3, Rows), "cross-entropy"),
        ["frozen and unused parameters"] = Frozen,
        ["tied weights"] = () => new Problem(new TiedNetwork(), Inputs(4), Inputs(4), "mse"),
        ["difference of two layers"] = () => new Problem(new DifferenceNetwork(), Inputs(4), Inputs(2), "mse"),
        ["siamese"] = () => new Problem(new SiameseNetwork(), Inputs(8), Inputs(2), "mse"),
        ["conv"] = () => Convolution(batchNorm: false),
        ["conv, batch norm in eval mode"] = () => Convolution(batchNorm: true),
        ["conv, batch norm in train mode"] = () => Convolution(batchNorm: true, train: true),
        ["conv, a label a pixel, ignored"] = Pixels,
        ["layer norm"] = () => Normalised(),
        ["attention, tied head, masked targets"] = () => Attention(),
        ["attention, masked targets, smoothed sum"] = () => Attention(new LossOptions { IgnoreIndex = -1, LabelSmoothing = 0.1, Reduction = Reduction.Sum }),
        ["sequence mse"] = Sequence,
    };

    public static Problem Create(string name)
    {
        random.manual_seed(1);
        return Catalogue[name]();
    }

    private static Tensor Inputs(params long[] shape) => randn([Rows, .. shape], ScalarType.Float64).to(Here);

    private static Tensor Labels(long classes, params long[] shape) =>
        arange(shape.Aggregate(1L, (product, size) => product * size), ScalarType.Int64, device: Here).remainder(classes).reshape(shape);

    private static Tensor Weights() => tensor([0.5, 1.0, 2.0], device: Here).DetachFromDisposeScope();

    private static nn.Module<Tensor, Tensor> Perceptron(long inputs, long hidden, long outputs, nn.Module<Tensor, Tensor> activation) => nn.Sequential(
        ("fc1", nn.Linear(inputs, hidden, dtype: ScalarType.Float64)), ("act", activation), ("fc2", nn.Linear(hidden, outputs, dtype: ScalarType.Float64))).to(Here);

    private static Problem Mlp(nn.Module<Tensor, Tensor> activation, LossOptions? options = null) =>
        new(Perceptron(4, 5, 3, activation), Inputs(4), Labels(3, Rows), "cross-entropy", options);

    /// <summary>
    /// Moves each unit's bias so that its kink lies in the middle of the widest gap between the samples: no step of finite differences crosses one, in either precision.
    /// </summary>
    private static Problem AwayFromKinks(Problem problem)
    {
        using IDisposable noGrad = no_grad();
        Linear fc1 = (Linear)problem.Model.named_children().First().module;
        IEnumerable<double[]> units = fc1.forward(problem.Inputs).t().contiguous().cpu().data<double>().ToArray().Chunk((int)Rows).Select(z => z.Order().ToArray());
        double[] kinks = [.. units.Select(z => z.Zip(z.Skip(1), (low, high) => (Gap: high - low, Middle: (low + high) / 2)).Max().Middle)];
        fc1.bias!.sub_(tensor(kinks, device: Here));
        return problem;
    }

    private static Problem Regression(string loss, LossOptions? options = null) =>
        new(Perceptron(3, 4, 2, nn.Tanh()), Inputs(3), Inputs(2), loss, options);

    private static Problem Binary(long outputs, LossOptions? options = null) =>
        new(Perceptron(3, 4, outputs, nn.Tanh()), Inputs(3), Labels(2, outputs == 1 ? [Rows] : [Rows, outputs]).to(ScalarType.Float64), "bce", options);

    private static Problem Frozen()
    {
        nn.Module<Tensor, Tensor> model = Perceptron(4, 5, 3, nn.Tanh());
        model.get_parameter("fc1.weight")!.requires_grad = false;
        Tensor unused = ones(3, ScalarType.Float64, requires_grad: true, device: Here).DetachFromDisposeScope();
        return new Problem(model, Inputs(4), Labels(3, Rows), "cross-entropy")
        {
            Parameters = new ParameterSpace([.. model.named_parameters().Select(p => (p.name, (Tensor)p.parameter)), ("unused", unused)]),
        };
    }

    private static Problem Convolution(bool batchNorm, bool train = false)
    {
        nn.Module<Tensor, Tensor> norm = batchNorm ? nn.BatchNorm2d(2, dtype: ScalarType.Float64).to(Here) : nn.Identity();
        nn.Module<Tensor, Tensor> model = nn.Sequential(
            ("conv", nn.Conv2d(1, 2, 3, padding: 1, dtype: ScalarType.Float64)),
            ("norm", norm),
            ("act", nn.Tanh()),
            ("pool", nn.AvgPool2d(2)),
            ("flat", nn.Flatten()),
            ("fc", nn.Linear(8, 3, dtype: ScalarType.Float64))).to(Here);
        Problem problem = new(model, Inputs(1, 4, 4), Labels(3, Rows), "cross-entropy");
        if (batchNorm && !train)
        {
            // Running statistics that are not their initial values.
            using (no_grad())
            {
                model.forward(problem.Inputs).Dispose();
            }

            model.eval();
        }

        return problem;
    }

    private static Problem Pixels()
    {
        nn.Module<Tensor, Tensor> model = nn.Sequential(
            ("conv1", nn.Conv2d(1, 2, 3, padding: 1, dtype: ScalarType.Float64)),
            ("act", nn.GELU()),
            ("conv2", nn.Conv2d(2, 3, 1, dtype: ScalarType.Float64))).to(Here);
        LossOptions options = new() { ClassWeights = Weights(), IgnoreIndex = 0 };
        return new Problem(model, Inputs(1, 2, 3), Labels(3, Rows, 2, 3), "cross-entropy", options);
    }

    private static Problem Normalised()
    {
        nn.Module<Tensor, Tensor> model = nn.Sequential(
            ("fc1", nn.Linear(4, 5, dtype: ScalarType.Float64)),
            ("norm", nn.LayerNorm(5, dtype: ScalarType.Float64)),
            ("act", nn.GELU()),
            ("fc2", nn.Linear(5, 3, dtype: ScalarType.Float64))).to(Here);
        return new Problem(model, Inputs(4), Labels(3, Rows), "cross-entropy");
    }

    private static Problem Attention(LossOptions? options = null)
    {
        // Positions of the first rows are padding, all of the fourth row's are: a batch of its own has no terms.
        Tensor labels = Labels(AttentionNetwork.Symbols, Rows, AttentionNetwork.Positions).clone();
        labels.narrow(0, 0, 2).narrow(1, 1, 1).fill_(-1);
        labels.narrow(0, 3, 1).fill_(-1);
        Tensor inputs = Labels(5, Rows, AttentionNetwork.Positions).remainder(AttentionNetwork.Symbols);
        return new Problem(new AttentionNetwork(), inputs, labels, "cross-entropy", options ?? new LossOptions { IgnoreIndex = -1 });
    }

    private static Problem Sequence() => new(Perceptron(3, 2, 2, nn.Tanh()), Inputs(3, 3), Inputs(3, 2), "mse");
}

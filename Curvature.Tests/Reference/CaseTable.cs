using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static Curvature.Tests.Reference.CaseNetwork;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>
/// Generated problems: every body with every head (loss, reduction, masked targets), and with them all parameters, frozen ones or tied ones in turn, so that any two values of any two of the
/// three meet. In float64, with weights that single precision has too; the data in ragged batches, one of which has no valid target where targets are masked.
/// </summary>
internal static class CaseTable
{
    private const long Rows = 7, Positions = 3;

    private static readonly string[] Bodies =
        ["mlp", "gelu", "layer norm", "conv", "batch norm in eval mode", "batch norm in train mode", "embedding", "attention"];

    private static readonly (string Name, string Loss, LossOptions Options)[] Heads =
    [
        ("cross-entropy", "cross-entropy", new()),
        ("cross-entropy sum", "cross-entropy", new() { Reduction = Reduction.Sum }),
        ("masked cross-entropy", "cross-entropy", new() { IgnoreIndex = -1 }),
        ("masked, weighted, smoothed cross-entropy sum", "cross-entropy", new() { IgnoreIndex = -1, LabelSmoothing = 0.1, Reduction = Reduction.Sum }),
        ("mse", "mse", new()),
        ("mse sum", "mse", new() { Reduction = Reduction.Sum }),
        ("bce", "bce", new()),
        ("bce sum", "bce", new() { Reduction = Reduction.Sum }),
    ];

    private static readonly string[] Parameters = ["all", "frozen", "tied"];

    /// <summary>64 of them.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Bodies.Index().SelectMany(body => Heads.Index().Select(head => $"{body.Item}, {head.Item.Name}, {Parameters[(body.Index + head.Index) % Parameters.Length]}"))];

    /// <summary>Sizes of the batches: where rows see each other none has a single one.</summary>
    public static long[] Sizes(string name) => name.Contains("train mode", StringComparison.Ordinal) ? [4, 3] : [3, 1, 3];

    public static Problem Create(string name)
    {
        int index = Names.ToList().IndexOf(name), body = index / Heads.Length, head = index % Heads.Length;
        random.manual_seed(index + 1);
        (_, string loss, LossOptions options) = Heads[head];
        options = options.LabelSmoothing > 0 ? options with { ClassWeights = tensor([0.5, 1.0, 2.0], device: Here).DetachFromDisposeScope() } : options;
        string parameters = Parameters[(body + head) % Parameters.Length];
        bool labels = loss == "cross-entropy", tokens = Bodies[body] is "embedding" or "attention";
        CaseNetwork model = Network(Bodies[body], parameters == "tied", tokens && labels);
        Tensor inputs = tokens ? Labels(Rows, Positions).add(arange(Rows, ScalarType.Int64, device: Here).div(2, RoundingMode.floor).unsqueeze(1)).remainder(Classes)
            : Bodies[body] is "mlp" or "gelu" or "layer norm" ? randn(Rows, 4, ScalarType.Float64).to(Here) : randn(Rows, 1, 4, 4, ScalarType.Float64).to(Here);
        Settle(model, inputs, train: Bodies[body].EndsWith("train mode", StringComparison.Ordinal));
        long[] shape = Shape(model, inputs);
        Tensor targets = labels ? Labels([shape[0], .. shape[2..]]) : loss == "bce" ? Labels(shape).remainder(2).to(ScalarType.Float64) : randn(shape, ScalarType.Float64).to(Here);
        if (options.IgnoreIndex is { } ignored)
        {
            // Row 3 is a batch of its own; of rows that have several labels the first ones lose one.
            targets.narrow(0, 3, 1).fill_(ignored);
            (targets.ndim > 1 ? targets.narrow(0, 0, 2).narrow(1, 1, 1) : targets.narrow(0, 1, 1)).fill_(ignored);
        }

        return new Problem(model, inputs, targets, loss, options) { Parameters = Theta(model, parameters == "frozen") };
    }

    private static CaseNetwork Network(string body, bool tied, bool classesSecond)
    {
        nn.Module<Tensor, Tensor> Convolved(bool normalised, long from, long stride) => nn.Sequential(
            ("conv", nn.Conv2d(from, 2, 3, padding: 1, stride: stride, dtype: ScalarType.Float64)),
            ("norm", normalised ? nn.BatchNorm2d(2, dtype: ScalarType.Float64) : nn.Identity()),
            ("act", nn.Tanh())).to(Here);
        nn.Module<Tensor, Tensor> Flat(long features) => nn.Sequential(("flat", nn.Flatten()), ("fc", Linear(features, Classes))).to(Here);
        nn.Module<Tensor, Tensor> Dense(long from, nn.Module<Tensor, Tensor> act) => nn.Sequential(("fc", Linear(from, Width)), ("act", act)).to(Here);
        nn.Module<Tensor, Tensor> Tokens() => nn.Embedding(Classes, Width, dtype: ScalarType.Float64).to(Here);
        return body switch
        {
            "mlp" => Of(Dense(4, nn.Tanh()), Dense(Width, nn.Tanh()), Linear(Width, Classes)),
            "gelu" => Of(Dense(4, nn.GELU()), Dense(Width, nn.GELU()), Linear(Width, Classes)),
            "layer norm" => Of(Linear(4, Width), nn.Sequential(("norm", nn.LayerNorm(Width, dtype: ScalarType.Float64)), ("fc", Linear(Width, Width)), ("act", nn.Tanh())).to(Here), Linear(Width, Classes)),
            "conv" => Of(Convolved(false, 1, 2), Convolved(false, 2, 1), Flat(8)),
            "batch norm in eval mode" => Of(Convolved(true, 1, 2), Convolved(true, 2, 1), nn.Conv2d(2, Classes, 1, dtype: ScalarType.Float64).to(Here)), // a label a pixel
            "batch norm in train mode" => Of(Convolved(true, 1, 2), Convolved(true, 2, 1), Flat(8)),
            "embedding" => Of(Tokens(), Dense(Width, nn.Tanh()), Linear(Width, Classes)),
            _ => Of(Tokens(), new Mixing(), Linear(Width, Classes)),
        };

        CaseNetwork Of(nn.Module<Tensor, Tensor> stem, nn.Module<Tensor, Tensor> core, nn.Module<Tensor, Tensor> head) => new(stem, core, head, tied, classesSecond);
    }

    /// <summary>Weights that single precision has too, and running statistics that are not their initial values.</summary>
    private static void Settle(CaseNetwork model, Tensor inputs, bool train)
    {
        using IDisposable noGrad = no_grad();
        model.forward(inputs).Dispose();
        model.train(train);
        foreach (Tensor t in model.state_dict().Values.Where(t => t.is_floating_point()))
        {
            t.copy_(t.to(ScalarType.Float32));
        }
    }

    private static long[] Shape(CaseNetwork model, Tensor inputs)
    {
        using IDisposable noGrad = no_grad();
        using Tensor z = model.forward(inputs);
        return z.shape;
    }

    /// <summary>With frozen ones the stem's are constants, and one parameter is unused.</summary>
    private static ParameterSpace Theta(CaseNetwork model, bool frozen)
    {
        if (!frozen)
        {
            return ParameterSpace.Of(model);
        }

        foreach ((string name, TorchSharp.Modules.Parameter parameter) in model.named_parameters())
        {
            parameter.requires_grad = !name.StartsWith("stem", StringComparison.Ordinal);
        }

        Tensor unused = ones(2, ScalarType.Float64, requires_grad: true, device: Here).DetachFromDisposeScope();
        return new ParameterSpace([.. model.named_parameters().Select(p => (p.name, (Tensor)p.parameter)), ("unused", unused)]);
    }

    private static Tensor Labels(params long[] shape) =>
        arange(shape.Aggregate(1L, (product, size) => product * size), ScalarType.Int64, device: Here).mul(5).div(3, RoundingMode.floor).remainder(Classes).reshape(shape);
}

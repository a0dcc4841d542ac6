using Curvature.Data;
using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>Small seeded models with data, in float64: the case table of the operator tests.</summary>
internal sealed class Problem(string name, nn.Module<Tensor, Tensor> model, Tensor inputs, Tensor targets, ISupervisedLoss loss)
{
    public string Name => name;

    public nn.Module<Tensor, Tensor> Model => model;

    public Tensor Inputs => inputs;

    public Tensor Targets => targets;

    public ISupervisedLoss Loss => loss;

    /// <summary>The data in batches of the given sizes, ragged as they come.</summary>
    public Objective Objective(params long[] sizes) => Curvature.Objectives.Objective.Supervised(model, loss, Batches(sizes));

    public IReadOnlyList<Batch> Batches(params long[] sizes)
    {
        List<Batch> batches = [];
        long offset = 0;
        foreach (long size in sizes.Length == 0 ? [inputs.shape[0]] : sizes)
        {
            batches.Add(new Batch(inputs.narrow(0, offset, size), targets.narrow(0, offset, size)));
            offset += size;
        }

        return offset == inputs.shape[0] ? batches : throw new ArgumentException("The sizes must cover the data.");
    }

    public override string ToString() => name;
}

internal static class Problems
{
    public const long Rows = 7;

    public static IReadOnlyList<string> Names => [.. Catalogue.Keys];

    private static readonly Dictionary<string, Func<Problem>> Catalogue = new()
    {
        ["tanh-mlp cross-entropy"] = () => Mlp(nn.Tanh(), new CrossEntropy()),
        ["gelu-mlp cross-entropy sum"] = () => Mlp(nn.GELU(), new CrossEntropy(new LossOptions { Reduction = Reduction.Sum })),
        ["relu-mlp smoothed"] = () => Mlp(nn.ReLU(), new CrossEntropy(new LossOptions { LabelSmoothing = 0.1 })),
        ["silu-mlp weighted, ignored"] = () => Mlp(nn.SiLU(), new CrossEntropy(new LossOptions
        {
            ClassWeights = tensor([0.5, 1.0, 2.0]).DetachFromDisposeScope(),
            IgnoreIndex = 2,
        })),
        ["tanh-mlp mse"] = () => Regression(new MeanSquaredError()),
        ["tanh-mlp mse sum"] = () => Regression(new MeanSquaredError(new LossOptions { Reduction = Reduction.Sum })),
        ["tanh-mlp bce"] = () => Binary(),
        ["conv"] = () => Convolution(batchNorm: false),
        ["conv, batch norm in eval mode"] = () => Convolution(batchNorm: true),
        ["layer norm"] = () => Normalised(),
    };

    public static Problem Create(string name)
    {
        random.manual_seed(1);
        return Catalogue[name]();
    }

    private static Tensor Labels(long rows, long classes) => arange(rows, ScalarType.Int64).remainder(classes);

    private static Problem Mlp(nn.Module<Tensor, Tensor> activation, CrossEntropy loss)
    {
        nn.Module<Tensor, Tensor> model = nn.Sequential(
            ("fc1", nn.Linear(4, 5, dtype: ScalarType.Float64)), ("act", activation), ("fc2", nn.Linear(5, 3, dtype: ScalarType.Float64)));
        return new Problem(loss.Name, model, randn(Rows, 4, ScalarType.Float64), Labels(Rows, 3), loss);
    }

    private static Problem Regression(MeanSquaredError loss)
    {
        nn.Module<Tensor, Tensor> model = nn.Sequential(
            ("fc1", nn.Linear(3, 4, dtype: ScalarType.Float64)), ("act", nn.Tanh()), ("fc2", nn.Linear(4, 2, dtype: ScalarType.Float64)));
        return new Problem("mse", model, randn(Rows, 3, ScalarType.Float64), randn(Rows, 2, ScalarType.Float64), loss);
    }

    private static Problem Binary()
    {
        nn.Module<Tensor, Tensor> model = nn.Sequential(
            ("fc1", nn.Linear(3, 4, dtype: ScalarType.Float64)), ("act", nn.Tanh()), ("fc2", nn.Linear(4, 1, dtype: ScalarType.Float64)));
        return new Problem("bce", model, randn(Rows, 3, ScalarType.Float64), Labels(Rows, 2).to(ScalarType.Float64), new BinaryCrossEntropy());
    }

    private static Problem Convolution(bool batchNorm)
    {
        nn.Module<Tensor, Tensor> norm = batchNorm ? nn.BatchNorm2d(2, dtype: ScalarType.Float64) : nn.Identity();
        nn.Module<Tensor, Tensor> model = nn.Sequential(
            ("conv", nn.Conv2d(1, 2, 3, padding: 1, dtype: ScalarType.Float64)),
            ("norm", norm),
            ("act", nn.Tanh()),
            ("pool", nn.AvgPool2d(2)),
            ("flat", nn.Flatten()),
            ("fc", nn.Linear(8, 3, dtype: ScalarType.Float64)));
        Problem problem = new("conv", model, randn(Rows, 1, 4, 4, ScalarType.Float64), Labels(Rows, 3), new CrossEntropy());
        if (batchNorm)
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

    private static Problem Normalised()
    {
        nn.Module<Tensor, Tensor> model = nn.Sequential(
            ("fc1", nn.Linear(4, 5, dtype: ScalarType.Float64)),
            ("norm", nn.LayerNorm(5, dtype: ScalarType.Float64)),
            ("act", nn.GELU()),
            ("fc2", nn.Linear(5, 3, dtype: ScalarType.Float64)));
        return new Problem("layer norm", model, randn(Rows, 4, ScalarType.Float64), Labels(Rows, 3), new CrossEntropy());
    }
}

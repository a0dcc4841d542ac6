using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using Curvature.Viz.Figures;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>Digits turned by 0, 90 and 180 degrees as three domains: how far apart the head's Hessians of the domains are, with and without aligning them in training.</summary>
internal static class DomainAlignment
{
    private static readonly CrossEntropy Loss = new();

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Dataset digits = all.Sample(options.Quick ? 120 : 900, seed: 1);
        long each = digits.Count / 3;
        Batch[] domains = [.. Enumerable.Range(0, 3).Select(e => Turned(digits, e * each, each, e))];
        Console.WriteLine($"{"",-18} {"loss",7} {"head Hessians apart",20} {"penalty",10}");
        foreach ((string name, AlignmentKind? kind) in (ReadOnlySpan<(string, AlignmentKind?)>)[("plain", null), ("gradient products", AlignmentKind.GradientProduct), ("diagonals", AlignmentKind.Diagonal)])
        {
            (double loss, double apart, double penalty) = Train(kind, 1, domains, options.Quick ? 30 : 60, cancellation);
            Console.WriteLine($"{name,-18} {loss,7:F4} {apart,20:F3} {penalty,10:E2}");
        }

        double[] weights = options.Quick ? [1] : [0.1, 0.3, 1, 3, 10];
        Curve By(string name, AlignmentKind kind, CurveKind look) => new(name, [.. weights.Select(weight => (Math.Log10(weight), Train(kind, weight, domains, options.Quick ? 2 : 60, cancellation).Apart))], look);
        Curve[] curves = [By("gradient products", AlignmentKind.GradientProduct, CurveKind.Measured), By("diagonals", AlignmentKind.Diagonal, CurveKind.Beside)];
        DocFigures.Write(options, "domain-alignment", new CurvesFigure("domain-alignment", "Head Hessians of three domains by the penalty's weight", "relative distance", curves, across: "log₁₀ of the weight"));
    }

    private static (double Loss, double Apart, double Penalty) Train(AlignmentKind? kind, double weight, Batch[] domains, int steps, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        Sequential model = nn.Sequential(("features", nn.Linear(64, 32)), ("tanh", nn.Tanh()), ("head", nn.Linear(32, 10)));

        #region penalty
        ParameterSpace head = ParameterSpace.Of(model, "head.*");
        HessianAlignment alignment = new(head, kind ?? AlignmentKind.GradientProduct) { Alpha = weight, Beta = weight, Probes = 4 };
        using optim.Optimizer optimizer = optim.Adam(model.parameters(), 0.01);
        for (int step = 0; step < steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope inner = NewDisposeScope();
            Tensor[] losses = [.. domains.Select(domain => Loss.Value(model.call(domain.Inputs), domain.Targets))];
            Tensor loss = stack(losses).mean();
            optimizer.zero_grad();
            (kind is null ? loss : loss.add(alignment.Penalty(losses))).backward();
            optimizer.step();
        }
        #endregion

        #region distance
        Objective Over(int e) => Objective.Supervised(model, Loss, [domains[e]], head);
        using HessianOperator first = new(Over(0)), second = new(Over(1)), third = new(Over(2));
        double apart = new[] { (first, second), (first, third), (second, third) }
            .Average(pair => HessianDistance.Between(pair.Item1, pair.Item2, new FrobeniusNorm { Seed = 1 }, cancellation).Relative);
        #endregion

        Tensor[] last = [.. domains.Select(domain => Loss.Value(model.call(domain.Inputs), domain.Targets))];
        return (stack(last).mean().ToDouble(), apart, alignment.Penalty(last).ToDouble());
    }

    /// <summary>Rows of the data as images of 8 by 8, turned by quarters.</summary>
    private static Batch Turned(Dataset data, long start, long count, int quarters)
    {
        Tensor images = data.Inputs.narrow(0, start, count).reshape(count, 8, 8), reversed = tensor([7L, 6, 5, 4, 3, 2, 1, 0]);
        for (int k = 0; k < quarters; k++)
        {
            images = images.transpose(1, 2).index_select(2, reversed);
        }

        return new Batch(images.reshape(count, 64), data.Targets.narrow(0, start, count));
    }
}

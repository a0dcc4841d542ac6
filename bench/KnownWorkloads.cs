using Curvature.Bench.Networks;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>The networks measured, by name.</summary>
internal static class KnownWorkloads
{
    private static readonly Dictionary<string, Func<Workload>> Makers = new()
    {
        ["mlp"] = () => new("mlp", new Mlp(), randn(256, 784), randint(10, [256])),
        ["resnet"] = () => new("resnet", new ResidualNetwork(), randn(64, 3, 32, 32), randint(10, [64])),
        ["transformer"] = () => new(
            "transformer",
            new Transformer(),
            randint(Transformer.Symbols, [16, Transformer.Positions]),
            randint(Transformer.Symbols, [16, Transformer.Positions])),
    };

    public static IReadOnlyList<string> Names { get; } = [.. Makers.Keys];

    /// <summary>A fresh one, the same each time.</summary>
    public static Workload Create(string name)
    {
        manual_seed(1);
        return Makers[name]();
    }
}

using Curvature.Bench.Networks;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>The networks measured, by name.</summary>
internal static class KnownWorkloads
{
    private static readonly Dictionary<string, Func<int, Workload>> Makers = new()
    {
        ["mlp"] = n => new("mlp", new Mlp(), randn(n * 256, 784), randint(10, [n * 256]), n),
        ["resnet"] = n => new("resnet", new ResidualNetwork(), randn(n * 64, 3, 32, 32), randint(10, [n * 64]), n),
        ["transformer"] = n => new(
            "transformer",
            new Transformer(),
            randint(Transformer.Symbols, [n * 16, Transformer.Positions]),
            randint(Transformer.Symbols, [n * 16, Transformer.Positions]),
            n),
    };

    public static IReadOnlyList<string> Names { get; } = [.. Makers.Keys];

    /// <summary>A fresh one, the same each time.</summary>
    public static Workload Create(string name, int batches = 1)
    {
        manual_seed(1);
        return Makers[name](batches);
    }
}

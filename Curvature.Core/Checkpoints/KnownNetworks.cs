using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>The sample networks by their short names: a new one is one file and one line here.</summary>
public static class KnownNetworks
{
    private static readonly (string Name, Func<nn.Module<Tensor, Tensor>> Create)[] All =
    [
        ("digits-mlp", () => new DigitsMlp()),
        ("lenet", () => new LeNet()),
        ("resnet20", () => new ResNet20()),
    ];

    /// <summary>The short names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(network => network.Name)];

    /// <summary>A new network with random initial weights. The caller disposes it.</summary>
    /// <exception cref="CurvatureException">No network of that name.</exception>
    public static nn.Module<Tensor, Tensor> Create(string name) =>
        All.FirstOrDefault(network => network.Name == name).Create?.Invoke()
        ?? throw new CurvatureException($"Model type '{name}': expected {ModelType.Choices}.");
}

using Curvature.Checkpoints;
using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Samples.Quantization;

/// <summary>The networks of the study, and a small one to try it on.</summary>
internal static class KnownStudyNetworks
{
    public static IReadOnlyList<StudyNetwork> All { get; } =
    [
        new(
            "lenet",
            "LeNet",
            "the LeNet of `train-fashion-mnist`: two convolutions and three linear layers, 61,470 weights",
            BatchSize: 128,
            Epochs: 10,
            Rate: 0.05,
            Decay: 5e-4,
            Fashion,
            () => KnownNetworks.Create("lenet")),
        new(
            "resnet20",
            "ResNet-20",
            "three stages of three residual blocks with 8, 16 and 32 channels and batch norm: 21 convolutions and a linear layer, 67,848 weights",
            BatchSize: 128,
            Epochs: 10,
            Rate: 0.1,
            Decay: 5e-4,
            Fashion,
            () => KnownNetworks.Create("resnet20")),
    ];

    /// <summary>Four layers for the digits.</summary>
    public static StudyNetwork Small { get; } = new(
        "digits",
        "Digits",
        "64-24-16-16-10",
        BatchSize: 32,
        Epochs: 4,
        Rate: 0.1,
        Decay: 0,
        Digits,
        () => nn.Sequential(
            ("fc1", nn.Linear(64, 24)), ("relu1", nn.ReLU()), ("fc2", nn.Linear(24, 16)), ("relu2", nn.ReLU()), ("fc3", nn.Linear(16, 16)), ("relu3", nn.ReLU()), ("fc4", nn.Linear(16, 10))));

    private static (Dataset Train, Dataset Test) Fashion() => (FashionMnist.Read("train", 60_000), FashionMnist.Read("t10k", 10_000));

    private static (Dataset Train, Dataset Test) Digits()
    {
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Dataset shuffled = digits.Sample(digits.Count - 1, seed: 1);
        Dataset Rows(int from, int to, string name) => new(shuffled.Inputs[from..to].clone(), shuffled.Targets[from..to].clone(), name);
        return (Rows(0, 1437, "training digits"), Rows(1437, (int)shuffled.Count, "test digits"));
    }
}

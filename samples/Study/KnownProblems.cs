using Curvature.Checkpoints;
using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>The problems of the study.</summary>
internal static class KnownProblems
{
    public static IReadOnlyList<StudyProblem> All { get; } =
    [
        new(
            "digits",
            "Digits, a perceptron",
            "64-32-10 with tanh, 2,410 parameters; 1,437 of the 1,797 digits to train on, all of them evaluated, 359 others to test with",
            BatchSize: 128,
            Steps: 400,
            Digits,
            () => KnownNetworks.Create("digits-mlp")),
        new(
            "fashion",
            "Fashion-MNIST, a convolutional network",
            "the LeNet of `train-fashion-mnist`, 61,706 parameters; 60,000 images to train on, 1,024 of them evaluated, 2,000 of the other 10,000 to test with",
            BatchSize: 128,
            Steps: 400,
            Fashion,
            () => KnownNetworks.Create("lenet")),
        new(
            "jargon",
            "The Jargon File, a transformer",
            "next-character prediction by two pre-norm blocks of width 64 with four heads over 64 positions, 116,576 parameters; nine tenths of the text to train on, 8,192 characters of it evaluated, 16,384 of the last tenth to test with",
            BatchSize: 16,
            Steps: 300,
            Jargon,
            () => new CharTransformer(JargonFile.Symbols)),
    ];

    private static StudyData Digits()
    {
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Dataset shuffled = digits.Sample(digits.Count - 1, seed: 1);
        Dataset Rows(int from, int to, string name) => new(shuffled.Inputs[from..to].clone(), shuffled.Targets[from..to].clone(), name);
        return new StudyData(Rows(0, 1437, "training digits"), Rows(0, 1437, "training digits"), Rows(1437, (int)shuffled.Count, "test digits"));
    }

    private static StudyData Fashion()
    {
        Dataset train = FashionMnist.Read("train", 60_000);
        return new StudyData(train, train.Sample(1024, seed: 1), FashionMnist.Read("t10k", 2000));
    }

    private static StudyData Jargon()
    {
        (Dataset train, Dataset whole) = JargonFile.Windows(JargonFile.ReadText(), CharTransformer.Positions);
        using Dataset test = whole;
        return new StudyData(train, train.Sample(128, seed: 1), test.Sample(256, seed: 1));
    }
}

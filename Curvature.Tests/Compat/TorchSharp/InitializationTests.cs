using Xunit;
using static Curvature.Tests.Compat.Oracle;
using static TorchSharp.torch;
using Init = TorchSharp.torch.nn.init;

namespace Curvature.Tests.Compat;

/// <summary>A seed gives the numbers that PyTorch gives.</summary>
public sealed class InitializationTests
{
    [Fact]
    public void Layers_start_as_in_PyTorch()
    {
        manual_seed(7);
        using var linear = nn.Linear(3, 2);
        using var convolution = nn.Conv2d(2, 1, 2);
        using var embedding = nn.Embedding(3, 2, padding_idx: 1);

        Same([0.04032507538795471, -0.3477921187877655, 0.18384182453155518, 0.1811612844467163, -0.3085803687572479,
            -0.0865316316485405],
            linear.weight, 1e-7);
        Same([-0.33822792768478394, 0.1498066484928131], linear.bias!, 1e-7);
        Same(
            [-0.09523586183786392, 0.24838422238826752, 0.25098270177841187, 0.03601663187146187, -0.15072758495807648,
            -0.20766355097293854, -0.03882711008191109, -0.09949985891580582],
            convolution.weight, 1e-7);
        Same([0.15583248436450958], convolution.bias!, 1e-7);
        Same([-1.717699646949768, -1.007351040840149, 0.0, 0.0, -0.0062939771451056, -0.24130213260650635], embedding.weight!, 1e-7);
    }

    [Fact]
    public void Initializers_are_PyTorchs()
    {
        Seeded(w => Init.xavier_uniform_(w),
            [-1.0861042737960815, -0.8641542792320251, -0.4691956341266632, -1.0363900661468506, -0.062189821153879166,
            -0.9637369513511658]);
        Seeded(w => Init.kaiming_uniform_(w, mode: Init.FanInOut.FanOut, nonlinearity: Init.NonlinearityType.ReLU),
            [-1.717281460762024, -1.3663477897644043, -0.7418634295463562, -1.6386765241622925, -0.09833073616027832,
            -1.5238018035888672]);
        Seeded(w => Init.kaiming_normal_(w, nonlinearity: Init.NonlinearityType.Tanh),
            [0.7729527950286865, 0.16823351383209229, 0.08561921119689941, -0.590550422668457, 0.04443908482789993, -1.31660795211792]);
        Seeded(w => Init.normal_(w, 1, 2),
            [2.6065521240234375, 1.3496668338775635, 1.177956223487854, -0.22743602097034454, 1.0923649072647095, -1.736518383026123]);
        Seeded(w => Init.constant_(w, 3), [3, 3, 3, 3, 3, 3]);
        Seeded(w => Init.ones_(w), [1, 1, 1, 1, 1, 1]);
        Seeded(w => Init.zeros_(w), [0, 0, 0, 0, 0, 0]);
    }

    [Fact]
    public void Parameters_are_initialized_outside_of_autograd()
    {
        using var linear = nn.Linear(2, 2);

        Init.uniform_(linear.weight, 5, 6);

        Assert.True(linear.weight.is_leaf && linear.weight.requires_grad);
        Assert.InRange(linear.weight.min().item<float>(), 5, 6);
    }

    private static void Seeded(Action<Tensor> initialize, double[] expected)
    {
        using var weight = empty(2, 3);
        manual_seed(3);
        initialize(weight);
        Same(expected, weight, 1e-6);
    }
}

using TorchSharp;
using Xunit;
using static Curvature.Tests.Compat.Oracle;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Curvature.Tests.Compat;

/// <summary>What the layers compute, against PyTorch.</summary>
public sealed class LayerTests
{
    [Fact]
    public void A_grouped_dilated_strided_convolution_is_PyTorchs() => Same(
        [-1.0, -1.0625, -3.5, 0.6875, -0.625, -0.375, -2.0625, 1.1875, -0.625, -2.375, -0.25, -0.5, 1.375, 1.875, -1.25, 0.75, 0.5,
            1.1875, -0.5, 1.125, 1.25, 0.0625, 0.125, 1.125],
        F.conv2d(Grid(1, 4, 4, 4), Grid(2, 2, 2, 3), Grid(2), strides: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2));

    [Fact]
    public void A_convolution_layer_tells_its_geometry()
    {
        using var layer = Conv2d(2, 4, 3, stride: 2, padding: 1, groups: 2);

        Assert.Equal(new long[] { 4, 1, 3, 3 }, layer.weight.shape);
        Assert.Equal(new long[] { 3, 3 }, layer.kernel_size);
        Assert.Equal(new long[] { 2, 2 }, layer.stride);
        Assert.Equal(new long[] { 1, 1 }, layer.padding);
        Assert.Equal(new long[] { 1, 1 }, layer.dilation);
        Assert.Equal((2, 4, 2), (layer.in_channels, layer.out_channels, layer.groups));
        Assert.Null(layer.padding_type);
        Assert.Equal(new long[] { 1, 4, 3, 4 }, layer.call(zeros(1, 2, 5, 8)).shape);
    }

    [Fact]
    public void Same_padding_adds_the_odd_zero_behind() => Same(
        [0.25, -3.1875, -0.25, -3.1875, -3.1875, 0.1875, -2.5, -1.75, 0.0],
        Gridded(Conv2d(1, 1, 2, Padding.Same)).call(Grid(1, 1, 3, 3)));

    [Fact]
    public void Padding_can_reflect() => Same(
        [-1.125, -1.375, -1.9375, -2.3125, 5.0, -2.4375, -0.8125, 1.6875, -2.3125],
        Gridded(Conv2d(1, 1, 3, padding: 1, padding_mode: PaddingModes.Reflect)).call(Grid(1, 1, 3, 3)));

    [Fact]
    public void Batch_norm_trains_its_running_statistics_and_then_uses_them()
    {
        var layer = Gridded(BatchNorm1d(3));

        Same([0.8802702469532393, 1.1707774648658498, -1.1707774648658498, -2.275685674458967, 0.7235924882886167, -0.7235924882886166,
            -1.9600900823177465, 0.2764075117113834, -0.27640751171138334, -1.6444944901765257, -0.17077746486584983,
            0.17077746486584988], layer.call(Grid(4, 3)));
        layer.call(Grid(5, 3) + 1);
        Same([0.184375, 0.11125, -0.023750000000000007], layer.running_mean!);
        Same([1.02578125, 0.835, 0.9175], layer.running_var!);
        Assert.Equal(2, layer.num_batches_tracked!.item<long>());

        layer.eval();
        Same([0.520285145169634, 0.7127132622169361, -0.2514008783595561, -2.5651791601369176, 0.5759201675436653, -0.12090265177664591],
            layer.call(Grid(2, 3)));
        Assert.Equal(2, layer.num_batches_tracked!.item<long>());
    }

    [Fact]
    public void Batch_norm_of_images_averages_over_batch_and_space()
    {
        var layer = BatchNorm2d(2).to(float64);

        layer.call(Grid(2, 2, 3, 3));

        Same([-0.004166666666666667, -0.002777777777777778], layer.running_mean!);
        Same([0.9678308823529412, 0.965359477124183], layer.running_var!);
    }

    [Fact]
    public void Batch_norm_refuses_input_of_another_rank() => Assert.ThrowsAny<ArgumentException>(() => BatchNorm2d(2).call(zeros(2, 2)));

    [Fact]
    public void Layer_norm_is_PyTorchs() => Same(
        [0.49130266966497194, 0.8482605339329944, -0.25124247576214687, 3.240060193902825, 0.34950300969514125,
            -0.15298194182915248, -2.95244981810803, 0.5756644363603569, 0.029651054522498055, 2.5741276363062453, 0.21216778181982157,
            0.27146989086481765],
        Gridded(LayerNorm([2, 3])).call(Grid(2, 2, 3)));

    [Fact]
    public void Group_norm_is_PyTorchs() => Same(
        [0.39132135520541483, -1.906528542082166, 0.23738858316713363, 1.156528542082166, -0.5999987200245755, 0.19999104017202832,
            2.999977600430071, 1.0000031999385612],
        Gridded(GroupNorm(2, 4)).call(Grid(1, 4, 2)));

    [Fact]
    public void Activations_are_PyTorchs()
    {
        var x = Grid(3);
        Module<Tensor, Tensor>[] layers = [ReLU(), GELU(), SiLU(), Sigmoid(), Tanh(), Softmax(0)];

        var values = layers.Select(layer => layer.call(x)).Append(F.log_softmax(x, 0));

        Same(
            [0.0, 0.5, 0.0, -0.13206221708356905, 0.34573123063700656, -0.15426876936299344, -0.27837517353163604, 0.3112296656009273,
            -0.1887703343990727, 0.22270013882530884, 0.6224593312018546, 0.3775406687981454, -0.8482836399575129, 0.46211715726000974,
            -0.46211715726000974, 0.11271920470830457, 0.6486542370516473, 0.23862655824004828, -2.182855466878769,
            -0.43285546687876886, -1.432855466878769],
            cat(values.ToArray()));
    }

    [Fact]
    public void Pooling_is_PyTorchs()
    {
        var x = Grid(1, 1, 5, 5);

        Same([-1.25, 0.5, 1.25, -0.25, 1.0, 1.25, 0.75, 1.0, 0.5], MaxPool2d(2, padding: 1).call(x));
        Same(
            [-0.05555555555555555, 0.1388888888888889, 0.1388888888888889, -0.19444444444444445, -0.1111111111111111,
            -0.05555555555555555, 0.0, -0.08333333333333333, -0.1111111111111111],
            AvgPool2d(3, stride: 2, padding: 1).call(x));
        Same(
            [-0.125, 0.20833333333333334, 0.3125, -0.2916666666666667, -0.1111111111111111, -0.08333333333333333, 0.0, -0.125, -0.25],
            AvgPool2d(3, stride: 2, padding: 1, count_include_pad: false).call(x));
        Same(
            [-0.2222222222222222, 0.2222222222222222, -0.1388888888888889, 0.0, 0.1388888888888889, -0.027777777777777776,
            0.2222222222222222, 0.05555555555555555],
            AdaptiveAvgPool2d(2).call(Grid(1, 2, 5, 5)));
    }

    [Fact]
    public void Unfold_lays_patches_in_columns()
    {
        var columns = F.unfold(Grid(1, 1, 3, 3), 2, padding: 1, stride: 2);

        Assert.Equal(new long[] { 1, 4, 4 }, columns.shape);
        Same(
            [0.0, 0.0, 0.0, 0.25, 0.0, 0.0, 1.25, -0.75, 0.0, 0.5, 0.0, 0.0, -1.25, -0.5, 1.0, -1.0],
            columns);
    }

    [Fact]
    public void Attention_is_softmax_of_scaled_products_also_masked()
    {
        var (q, k, v) = (Grid(1, 3, 2), Grid(1, 3, 2) + 0.5, Grid(1, 3, 2) * 2);

        Same([-1.6751146284906415, 1.315304561722853, -1.4500381139501006, 1.6504514013469784, -0.4659968669012108, -0.2040542367723126],
            F.scaled_dot_product_attention(q, k, v));
        Same([-2.5, 1.0, -1.6027804477509766, 1.8972195522490236, -0.4659968669012108, -0.2040542367723126],
            F.scaled_dot_product_attention(q, k, v, is_casual: true));
        Same([-1.1832412859965304, 1.936520290884212, -1.9278731163902845, 1.4799483953922081, -1.607232716452001, 0.7337186641029302],
            F.scaled_dot_product_attention(q, k, v, Grid(3, 3)));
    }

    [Fact]
    public void Grid_sampling_knows_its_modes()
    {
        var (x, at) = (Grid(1, 1, 3, 3), Grid(1, 2, 2, 2));

        Same([0.84375, 0.375, 0.1875, -0.75], F.grid_sample(x, at, align_corners: true));
        Same([1.0, 1.0, 0.5, -0.75], F.grid_sample(x, at, GridSampleMode.Nearest, GridSamplePaddingMode.Border));
        Same([1.0625, 0.75, 0.125, -0.75], F.grid_sample(x, at, padding_mode: GridSamplePaddingMode.Reflection));
    }

    [Fact]
    public void Padding_takes_the_last_dimension_first()
    {
        Same([9.0, -1.25, 0.5, 9.0, -0.5, 1.25], F.pad(Grid(1, 1, 2, 2), [1, 0], value: 9));
        Same([-1.25, -1.25, 0.5, -0.5, -0.5, -1.25, -1.25, 0.5, -0.5, -0.5, 1.25, 1.25, 0.25, -0.75, -0.75],
            F.pad(Grid(1, 1, 2, 3), [1, 1, 1, 0], PaddingModes.Replicate));
    }

    [Fact]
    public void One_hot_marks_the_class() => Same([0, 1, 0, 1, 0, 0], F.one_hot(tensor(new long[] { 1, 0 }), 3));

    [Fact]
    public void Embedding_gives_rows_and_no_gradient_to_the_padding_row()
    {
        var layer = Embedding(3, 2, padding_idx: 1).to(float64);

        layer.call(tensor(new long[] { 0, 1, 2, 2 })).sum().backward();

        Same([0, 0], layer.weight![1]);
        Same([1, 1, 0, 0, 2, 2], layer.weight!.grad!);
    }

    [Fact]
    public void Dropout_scales_what_it_keeps_in_training_and_nothing_else()
    {
        var layer = Dropout(0.25);
        manual_seed(1);

        double[] values = layer.call(ones(1000, dtype: float64)).data<double>().ToArray();

        Assert.All(values, v => Assert.True(v == 0 || Math.Abs(v - (4.0 / 3)) < 1e-12));
        Assert.InRange(values.Count(v => v == 0), 200, 300);
        layer.eval();
        Same([1, 1], layer.call(ones(2, dtype: float64)));
    }

    [Fact]
    public void Flatten_keeps_the_batch() => Assert.Equal(new long[] { 2, 12 }, Flatten().call(zeros(2, 3, 4)).shape);
}

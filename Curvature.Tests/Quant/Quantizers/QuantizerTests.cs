using Curvature.Quant.Quantizers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Quantizers;

public class QuantizerTests
{
    [Fact]
    public void Symmetric_codes_by_hand()
    {
        // Reach 7 over n = 7 at 4 bits: scale 1, ties to even, codes from -8 to 7.
        using DisposeScope scope = NewDisposeScope();
        Tensor w = tensor([-7.0, -2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5, 3.2], device: Here);
        Quantizer four = new() { Bits = 4, PerChannel = false };
        Assert.Equal([-7, -2, -2, 0, 0, 0, 2, 2, 3], Codes(four, w));
        Assert.Equal((6 * 0.25) + 0.04, four.Quantize(w).SquaredError, 1e-12); // six halves and a fifth

        Quantizer unsigned = four with { HasSign = false };
        Assert.Equal([0, 0, 0, 0, 0, 2, 7, 12, 15], Codes(unsigned, w)); // scale 3.2 / 15; 2.5 of it is 11.72
        Assert.Equal(3.2 / 15, unsigned.Quantize(w).Channels[0].Scale, 1e-15);
    }

    [Fact]
    public void The_lowest_code_is_left_out_where_asked()
    {
        // A range that clips: -8 is a code of its own, or becomes -7.
        AffineCodes full = new Quantizer { Bits = 4 }.Grid(-7, 7), narrow = new Quantizer { Bits = 4, Narrow = true }.Grid(-7, 7);
        Assert.Equal((-8, -7, 7, 7), (full.Code(-8.4), narrow.Code(-8.4), full.Code(100), narrow.Code(100)));
    }

    [Fact]
    public void Affine_codes_by_hand()
    {
        // From -1 to 2 in 15 steps of 0.2; 0 has the code 5, or -3 where codes are signed.
        using DisposeScope scope = NewDisposeScope();
        Tensor x = tensor([-1.0, -0.31, 0, 0.1, 0.3, 2.0], device: Here);
        Quantizer affine = new() { Bits = 4, Symmetric = false, HasSign = false, PerChannel = false };
        AffineCodes grid = affine.Quantize(x).Channels[0];
        Assert.Equal((5, 0, 15), (grid.Zero, grid.Lowest, grid.Highest));
        Assert.Equal(0.2, grid.Scale, 1e-15);
        Assert.Equal([0, 3, 5, 5, 6, 15], Codes(affine, x)); // 0.1 is a tie; 0.3 / 0.2 in float64 is just below one
        Assert.Equal(Codes(affine, x).Select(code => code - 8), Codes(affine with { HasSign = true }, x));
        Assert.Equal(0, grid.Value(grid.Code(0)));
        Assert.Equal((0, 15), (affine.Grid(3, 4).Code(0), affine.Grid(3, 4).Code(4))); // 0 is in the grid though no value is near
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void Equals_the_formulas_of_HAWQ_in_float64(int bits)
    {
        manual_seed(bits);
        using DisposeScope scope = NewDisposeScope();
        Tensor w = randn([5, 3, 2, 2], ScalarType.Float64).to(Here);
        double[] values = w.cpu().data<double>().ToArray();
        QuantizedTensor quantized = Quantizer.HawqWeights(bits).Quantize(w);
        double[] result = quantized.Dequantize().cpu().data<double>().ToArray();
        double n = Math.Pow(2, bits - 1) - 1, error = 0;
        for (int i = 0; i < values.Length; i++)
        {
            double scale = values.Skip(i / 12 * 12).Take(12).Max(Math.Abs) / n;
            double expected = Math.Clamp(Math.Round(values[i] / scale, MidpointRounding.ToEven), -n - 1, n) * scale;
            Assert.Equal(expected, result[i], 1e-14);
            error += (expected - values[i]) * (expected - values[i]);
        }

        Assert.Equal(error, quantized.SquaredError, 1e-12);
        Assert.Equal(5, quantized.Channels.Count);
    }

    [Fact]
    public void HAWQ_quantizes_activations_as_one_tensor_below_8_bits_without_a_sign()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = tensor([0.0, 0.4, 1.0, 3.0], device: Here);
        Assert.Equal([0, 2, 5, 15], Codes(Quantizer.HawqActivations(4), x));
        Assert.Equal([0, 17, 42, 127], Codes(Quantizer.HawqActivations(8), x));
        Assert.Equal(1e-8 / 15, Quantizer.HawqActivations(4).Quantize(zeros(3, device: Here)).Channels[0].Scale, 1e-22);
    }

    [Fact]
    public void Codes_fit_and_rounding_stays_within_half_a_step()
    {
        manual_seed(1);
        using DisposeScope scope = NewDisposeScope();
        Tensor w = randn([4, 50]).to(Here);
        foreach (Quantizer quantizer in from bits in Enumerable.Range(2, 7)
                                        from symmetric in new[] { true, false }
                                        from signed in new[] { true, false }
                                        from channels in new[] { true, false }
                                        select new Quantizer { Bits = bits, Symmetric = symmetric, HasSign = signed, PerChannel = channels })
        {
            bool clips = quantizer is { Symmetric: true, HasSign: false };
            QuantizedTensor quantized = quantizer.Quantize(clips ? w.abs() : w);
            Assert.Equal(quantizer.PerChannel ? 4 : 1, quantized.Channels.Count);
            Assert.All(Codes(quantizer, w), code => Assert.InRange(code, quantizer.HasSign ? -(1 << (quantizer.Bits - 1)) : 0, (1 << (quantizer.Bits - (quantizer.HasSign ? 1 : 0))) - 1));
            double step = quantized.Channels.Max(channel => channel.Scale);
            double furthest = quantized.Dequantize().sub(clips ? w.abs() : w).abs().max().ToDouble();
            Assert.InRange(furthest, 0, (quantizer.Symmetric ? 0.5 : 1) * step * 1.0001); // an affine zero point may shift the ends by half a step more
            Assert.Equal(ScalarType.Float32, quantized.Dequantize().dtype);
        }
    }

    [Fact]
    public void Scales_go_with_the_values_at_any_size()
    {
        manual_seed(2);
        using DisposeScope scope = NewDisposeScope();
        Tensor w = randn([3, 40], ScalarType.Float64).to(Here);
        foreach (IQuantizationRange range in (IQuantizationRange[])[new MinMaxRange(), new PercentileRange(95), new LeastSquaresRange()])
        {
            Quantizer quantizer = new() { Bits = 3, Range = range };
            Assert.Equal(Codes(quantizer, w), Codes(quantizer, w.mul(Math.Pow(2, -300))));
        }

        Assert.Equal([0, 0], Codes(new Quantizer(), zeros(2, 1, device: Here)));
    }

    [Fact]
    public void Percentiles_are_order_statistics()
    {
        double[] values = [.. Enumerable.Range(1, 200).Select(i => (i * 77 % 200) - 60.0)]; // -60 .. 139 in some order
        Assert.Equal((-58, 137), new PercentileRange(99).Of(values, new Quantizer().Grid)); // the 198th smallest, and of the negatives
        Assert.Equal((-60, 139), new PercentileRange(100).Of(values, new Quantizer().Grid));
        Assert.Equal(new MinMaxRange().Of(values, new Quantizer().Grid), new PercentileRange(100).Of(values, new Quantizer().Grid));
        Assert.Throws<CurvatureException>(() => new PercentileRange(0).Of(values, new Quantizer().Grid));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Least_squares_is_near_the_best_of_all_shares_and_clips(int bits)
    {
        manual_seed(3);
        using DisposeScope scope = NewDisposeScope();
        Tensor w = randn([1, 2000], ScalarType.Float64).to(Here);
        Quantizer plain = new() { Bits = bits }, best = plain with { Range = new LeastSquaresRange() };
        double[] values = w.cpu().data<double>().ToArray();
        (double low, double high) = new MinMaxRange().Of(values, plain.Grid);
        double search = Enumerable.Range(1, 20_000).Min(i => plain.Grid(low * i / 20_000, high * i / 20_000).SquaredError(values));
        double found = best.Quantize(w).SquaredError;
        Assert.InRange(found, 0, search * 1.01);
        Assert.True(found < 0.8 * plain.Quantize(w).SquaredError);
    }

    [Fact]
    public void What_cannot_be_quantized_is_an_error()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Contains("2 to 8 bits, got 9", Message(() => new Quantizer { Bits = 9 }.Quantize(ones(1, device: Here))), StringComparison.Ordinal);
        Assert.Contains("not finite", Message(() => new Quantizer().Quantize(tensor([1.0, double.NaN], device: Here))), StringComparison.Ordinal);
        Assert.Contains("got the shape [0, 3]", Message(() => new Quantizer().Quantize(zeros(0, 3, device: Here))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void A_folded_layer_gives_what_layer_and_batch_norm_gave(bool convolution, bool bias)
    {
        manual_seed(4);
        using DisposeScope scope = NewDisposeScope();
        TorchSharp.Modules.BatchNorm norm = convolution ? nn.BatchNorm2d(3).to(Here) : nn.BatchNorm1d(3).to(Here);
        using IDisposable noGrad = no_grad();
        foreach (Tensor statistic in (Tensor[])[norm.weight!, norm.bias!, norm.running_mean!, norm.running_var!])
        {
            statistic.copy_(rand(3).to(Here).add(0.5));
        }

        norm.eval();
        Tensor weight = convolution ? randn(3, 2, 3, 3).to(Here) : randn(3, 4).to(Here), offset = randn(3).to(Here), x = convolution ? randn(2, 2, 6, 6).to(Here) : randn(5, 4).to(Here);
        Tensor Layer(Tensor w, Tensor? b) => convolution ? nn.functional.conv2d(x, w, b) : nn.functional.linear(x, w, b);
        (Tensor folded, Tensor shift) = BatchNormFolding.Fold(weight, bias ? offset : null, norm);
        Tensor expected = ((nn.Module<Tensor, Tensor>)norm).call(Layer(weight, bias ? offset : null));
        Assert.InRange(Layer(folded, shift).sub(expected).abs().max().ToDouble(), 0, 1e-5);
        Assert.Contains("over the layer's 2 outputs, got one over 3", Message(() => BatchNormFolding.Fold(randn(2, 4).to(Here), null, norm)), StringComparison.Ordinal);
    }

    private static int[] Codes(Quantizer quantizer, Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        return quantizer.Quantize(x).Codes().cpu().data<int>().ToArray();
    }

    private static string Message(Action action) => Assert.Throws<CurvatureException>(action).Message;
}

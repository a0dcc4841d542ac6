using Curvature.Quant.Calibration;
using Curvature.Quant.Quantizers;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class LearnedGridTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1.5, -2)]
    public void Gradients_are_the_closed_forms_inside_and_where_it_clips(double rho, double zeta)
    {
        using DisposeScope scope = NewDisposeScope();
        const double Rate = 0.1;
        AffineCodes[] start = [new(0.5, 2, 0, 7), new(0.25, 5, 0, 7)];
        using var grid = new LearnedGrid(start, 2, ScalarType.Float64, Here, Rate);
        Parameter[] learned = [.. grid.Parameters];
        using (no_grad())
        {
            learned[0].fill_(rho);
            learned[1].fill_(zeta);
        }

        double[][] rows = [[-3.1, -0.6, 0.1, 1.3, 9], [-4, -1.1, -0.3, 0.1, 2.2]]; // each clips below and above, and not between
        double[][] weights = [[1, -2, 3, 0.5, 4], [2, 0.7, -1, 3, -0.4]];
        Tensor x = tensor(rows.SelectMany(row => row).ToArray(), device: Here).reshape(2, 5).requires_grad_(), g = tensor(weights.SelectMany(row => row).ToArray(), device: Here).reshape(2, 5);
        Tensor y = grid.Quantize(x);
        y.mul(g).sum().backward();

        double[] values = CalibrationNetworks.Values(y), ofX = CalibrationNetworks.Values(x.grad!), ofRho = CalibrationNetworks.Values(learned[0].grad!), ofZeta = CalibrationNetworks.Values(learned[1].grad!);
        for (int r = 0; r < 2; r++)
        {
            double s = start[r].Scale * Math.Exp(Rate * rho), z = Math.Clamp(Math.Round(start[r].Zero + (Rate * 7 * zeta)), 0, 7), inScale = 0, inZero = 0;
            int clipped = 0;
            for (int i = 0; i < 5; i++)
            {
                double u = rows[r][i] / s, c = Math.Clamp(Math.Round(u), -z, 7 - z), weight = weights[r][i];
                bool inside = c == Math.Round(u);
                Assert.Equal(s * c, values[(5 * r) + i], 1e-12);
                Assert.Equal(inside ? weight : 0, ofX[(5 * r) + i], 1e-12);
                inScale += weight * (inside ? c - u : c);
                inZero -= inside ? 0 : weight * s;
                clipped += inside ? 0 : 1;
            }

            Assert.InRange(clipped, 2, 4);
            Assert.Equal(inScale * s * Rate, ofRho[r], 1e-12);
            Assert.Equal(inZero * Rate * 7, ofZeta[r], 1e-12);
        }
    }
}

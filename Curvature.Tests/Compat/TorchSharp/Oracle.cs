using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>
/// Inputs that PyTorch can be given exactly: entry i of a grid is ((7 i) mod 11 - 5) / 4. The literals in the tests of modules, losses
/// and optimizers are what PyTorch 1.13.1 answers in float64.
/// </summary>
internal static class Oracle
{
    public static Tensor Grid(params long[] shape)
    {
        int count = (int)shape.Aggregate(1L, (n, size) => n * size);
        return tensor(Enumerable.Range(0, count).Select(i => (((i * 7) % 11) - 5) / 4.0).ToArray()).reshape(shape);
    }

    /// <summary>Casts a module to float64 and writes a grid into each parameter.</summary>
    public static T Gridded<T>(T module) where T : nn.Module
    {
        module.to(float64);
        using (no_grad())
        {
            foreach (var (_, parameter) in module.named_parameters())
            {
                parameter.copy_(Grid(parameter.shape));
            }
        }
        return module;
    }

    public static void Same(double[] expected, Tensor actual, double tolerance = 1e-12)
    {
        double[] values = actual.detach().to(float64).flatten().data<double>().ToArray();
        Assert.Equal(expected.Length, values.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - values[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])),
                $"Entry {i}: expected {expected[i]:R}, got {values[i]:R}.");
        }
    }
}

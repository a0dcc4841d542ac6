using Curvature.Data;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// The random numbers from which <see cref="OutputCurvature.SampleGradient(SampleNoise)"/> draws targets, a row a sample. Made of a generator they come in the order in which they are asked for; made of (seed, draw, row of the data) they depend
/// on nothing else, so that neither the division into batches, nor that over ranks, nor the device changes a draw.
/// </summary>
public abstract class SampleNoise : IDisposable
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>Numbers from a generator, which stays the caller's.</summary>
    public static SampleNoise Of(Generator generator) => new Sequential(generator);

    /// <summary>Numbers that depend on (seed, draw, row, place in the row) alone, by a counter-based generator (SplitMix64; Steele, Lea, Flood 2014). The global random state is not touched.</summary>
    /// <param name="seed">Of all draws.</param>
    /// <param name="draw">Which one.</param>
    /// <param name="firstRow">The place in the data of the first row that is asked for.</param>
    public static SampleNoise At(int seed, int draw, long firstRow) => At(Probes.SeedOf(seed, draw, 0), firstRow);

    /// <summary>Uniform on [0, 1), float64 of the shape, in the caller's scope.</summary>
    public abstract Tensor Uniform(long[] shape, Device device);

    /// <summary>Standard normal, float64 of the shape, in the caller's scope.</summary>
    public abstract Tensor Normal(long[] shape, Device device);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the source holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>The same of a seed that has the draw in it.</summary>
    internal static SampleNoise At(ulong seed, long firstRow) => new Positional(seed, firstRow);

    private sealed class Sequential(Generator generator) : SampleNoise
    {
        public override Tensor Uniform(long[] shape, Device device) => empty(shape, ScalarType.Float64, device).uniform_(0, 1, generator);

        public override Tensor Normal(long[] shape, Device device) => empty(shape, ScalarType.Float64, device).normal_(0, 1, generator);
    }

    private sealed class Positional(ulong seed, long firstRow) : SampleNoise
    {
        public override Tensor Uniform(long[] shape, Device device) => Fill(shape, device, (row, entry) => Number(row, entry));

        // Box and Muller 1958: two numbers make one, so that a place has its own.
        public override Tensor Normal(long[] shape, Device device) => Fill(shape, device, (row, entry) =>
            Math.Sqrt(-2 * Math.Log(1 - Number(row, 2 * entry))) * Math.Cos(2 * Math.PI * Number(row, (2 * entry) + 1)));

        private Tensor Fill(long[] shape, Device device, Func<ulong, ulong, double> number)
        {
            long rows = shape.Length == 0 ? 1 : shape[0], entries = shape.Skip(1).Aggregate(1L, (product, size) => product * size);
            double[] values = new double[rows * entries];
            for (long n = 0; n < rows; n++)
            {
                ulong row = Mix(seed + (Golden * (ulong)(firstRow + n)));
                for (long e = 0; e < entries; e++)
                {
                    values[(n * entries) + e] = number(row, (ulong)e);
                }
            }

            using DisposeScope scope = NewDisposeScope();
            return DeviceCopy.To(tensor(values).reshape(shape), ScalarType.Float64, device).MoveToOuterDisposeScope();
        }

        private static double Number(ulong row, ulong entry) => (Mix(row + (Golden * entry)) >> 11) * (1.0 / (1UL << 53));

        private static ulong Mix(ulong counter)
        {
            ulong z = counter + Golden;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}

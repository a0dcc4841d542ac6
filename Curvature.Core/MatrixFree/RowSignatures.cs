using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>
/// Tells whether a vector is one of m known ones, in O(d) and without keeping them: by its squared norm and its product with one fixed random vector, in float64.
/// Vectors so alike that both agree to 64 rounding units of float64 differ by less than the inverse could show.
/// </summary>
internal sealed class RowSignatures : IDisposable
{
    private const int Seed = 0x3FAC;

    private readonly (double Square, double Projection)[] _known;
    private readonly Tensor _probe;

    /// <param name="rows">m.</param>
    /// <param name="columns">d.</param>
    /// <param name="device">Where the vectors lie.</param>
    public RowSignatures(long rows, long columns, Device device)
    {
        _known = new (double, double)[rows];
        using DisposeScope scope = NewDisposeScope();
        _probe = Probes.Draw(ProbeKind.Gaussian, columns, 0, 1, Seed, ScalarType.Float64, device).reshape(-1).DetachFromDisposeScope();
    }

    /// <summary>Takes down vector j.</summary>
    public void Set(long j, Tensor row) => _known[j] = Of(row);

    /// <summary>The index of a vector equal to <paramref name="x"/>, or null.</summary>
    public long? Find(Tensor x)
    {
        (double square, double projection) = Of(x);
        double tolerance = 64 * Precision.Epsilon(ScalarType.Float64);
        int found = Array.FindIndex(_known, row =>
            Math.Abs(row.Square - square) <= tolerance * square && Math.Abs(row.Projection - projection) <= tolerance * Math.Sqrt(square));
        return found < 0 ? null : found;
    }

    public void Dispose() => _probe.Dispose();

    private (double Square, double Projection) Of(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor row = x.to(ScalarType.Float64, _probe.device);
        double[] both = Precision.Dots((row, row), (row, _probe));
        return (both[0], both[1]);
    }
}

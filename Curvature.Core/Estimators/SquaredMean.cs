using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// <c>|E x|^2</c> from independent vectors x, without the bias of the squared mean: the mean of <c>x_i . x_j</c> over all pairs,
/// <c>(|sum x|^2 - sum |x_i|^2) / (n (n - 1))</c>. Its standard error is the jackknife's over up to 16 interleaved groups, whose sums are the memory
/// (Efron and Stein 1981).
/// </summary>
internal sealed class SquaredMean : IDisposable
{
    /// <summary>Groups of the jackknife, and vectors that are kept.</summary>
    public const int Groups = 16;

    private readonly Tensor _sums;
    private readonly double[] _squares = new double[Groups];
    private readonly int[] _counts = new int[Groups];

    public SquaredMean(long length, ScalarType dtype, Device device)
    {
        DeviceMemory.RequireVectors(Groups, length, dtype, device, "Do without the sum of squares.", "group");
        _sums = zeros([Groups, length], dtype, device).DetachFromDisposeScope();
    }

    /// <summary>Adds the columns of <c>[P, c]</c>.</summary>
    public void Add(Tensor samples)
    {
        using DisposeScope scope = NewDisposeScope();
        int first = _counts.Sum();
        double[] squares = samples.square().sum(dim: 0, type: ScalarType.Float64).cpu().data<double>().ToArray();
        for (int j = 0; j < squares.Length; j++)
        {
            int group = (first + j) % Groups;
            _sums.select(0, group).add_(samples.select(1, j));
            _squares[group] += squares[j];
            _counts[group]++;
        }
    }

    /// <summary>The estimate; its <see cref="Estimate.Samples"/> are the groups. Fewer than 3 vectors have no error: NaN.</summary>
    public Estimate Estimate(int products)
    {
        using DisposeScope scope = NewDisposeScope();
        int n = _counts.Sum(), groups = Math.Min(n, Groups);
        double[] gram = Precision.Gram(_sums.t(), _sums.t()).data<double>().ToArray();
        double Row(int g) => Enumerable.Range(0, Groups).Sum(h => gram[(g * Groups) + h]);
        static double Pairs(double square, double squares, int count) => (square - squares) / ((double)count * (count - 1));
        (double total, double sum) = (Enumerable.Range(0, Groups).Sum(Row), _squares.Sum());
        if (n < 4)
        {
            return new Estimate(Pairs(total, sum, n), double.NaN, products, 1);
        }

        double[] without = [.. Enumerable.Range(0, groups).Select(g => // |S - s_g|^2 = |S|^2 - 2 S . s_g + |s_g|^2
            Pairs(total - (2 * Row(g)) + gram[(g * Groups) + g], sum - _squares[g], n - _counts[g]))];
        double mean = without.Average();
        double error = Math.Sqrt((groups - 1.0) / groups * without.Sum(x => (x - mean) * (x - mean)));
        return new Estimate(Pairs(total, sum, n), error, products, groups);
    }

    public void Dispose() => _sums.Dispose();
}

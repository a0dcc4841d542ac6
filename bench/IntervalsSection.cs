using Curvature.Estimators;

namespace Curvature.Bench;

/// <summary>
/// How often 95 % intervals of Lanczos quadrature hold the truth, where the runs tell 100 eigenvalues apart: then each run's weights are the squares of a direction drawn at random, and no matrix is needed. Beside them Student's interval
/// of the same values.
/// </summary>
internal static class IntervalsSection
{
    private const int Size = 100;

    private static readonly int[] Runs = [4, 8, 16, 32], Counts = [1, 3, 10, 30];

    private static readonly double[] Flat = [.. Enumerable.Range(0, Size).Select(i => i / 99.0)];

    private static readonly double[][] Spectra =
    [
        Flat,
        [.. Flat[..^1], Math.Log(Flat[..^1].Sum(Math.Exp) / 2)],
        [.. Enumerable.Range(1, Size).Select(i => 1.0 / i).Order()],
        [.. Enumerable.Range(0, Size).Select(i => Math.Exp(-i / 8.0)).Order()],
        [.. Enumerable.Range(0, Size).Select(i => i < 90 ? 0.1 + (i * 1e-6) : 3 + (i * 1e-6))],
        [.. Flat.Select(x => (2 * x) - 1)],
    ];

    private static readonly Func<double, double>[] Functions = [Math.Exp, Math.Abs, x => Math.Log((x * x) + 0.01), x => Math.Log(1 + Math.Abs(x)), x => x * x / ((x * x) + 0.01), x => x * x * x * x];

    public static void Run(BenchOptions options, TextWriter output)
    {
        int draws = options.Quick ? 200 : 4000;
        Random random = new(1);
        double[][][][] weights = [.. Runs.Select(runs => (double[][][])[.. Enumerable.Range(0, draws).Select(_ => (double[][])[.. Enumerable.Range(0, runs).Select(_ => Direction(random))])])];
        output.WriteLine($"{$"covered of {draws:N0}",-55} {string.Join(" ", Runs.Select(runs => $"{$"{runs} runs",12}"))}");

        // The share of draws whose interval holds the truth, for each number of runs.
        double[] Covered(double[] nodes, Func<double, double> f, bool isShare, bool byStudent) => [.. weights.AsParallel().AsOrdered().Select(all => all.Average(of =>
        {
            SpectralDensity density = new(Size, [.. of.Select(w => new QuadratureRule(nodes, w))], 1, 0);
            Estimate estimate = byStudent ? Estimate.FromSamples([.. density.Runs.Select(rule => Size * rule.Integrate(f))], 0) : isShare ? density.Cumulative(0.5) : density.Trace(f);
            (double low, double high) = estimate.ConfidenceInterval();
            double truth = nodes.Sum(f) / (isShare && !byStudent ? Size : 1);
            return low <= truth && truth <= high ? 1.0 : 0;
        }))];

        void Line(string name, params IEnumerable<double[]> covered) => output.WriteLine($"{name,-55} {string.Join(" ", Runs.Select((_, i) => (covered.Min(c => c[i]), covered.Max(c => c[i])) is var (low, high) && low == high ? $"{low,12:P1}" : $"{$"{low * 100:F1}-{high:P1}",12}"))}");
        double[] Share(int count, bool byStudent) => Covered([.. Enumerable.Range(0, Size).Select(i => i < count ? i * 1e-3 : 1 + (i * 1e-3))], x => x <= 0.5 ? 1 : 0, true, byStudent);
        Line("share of one eigenvalue: Student", Share(1, true));
        Line("tr exp A, one eigenvalue a third of it: Student", Covered(Spectra[1], Math.Exp, false, true));
        Line("tr exp A, flat spectrum: Student", Covered(Spectra[0], Math.Exp, false, true));
        Line("shares of 1, 3, 10 and 30 eigenvalues: here", Counts.Select(count => Share(count, false)).ToArray());
        Line("six spectra, six functions: here, least to most", Spectra.SelectMany(nodes => Functions.Select(f => Covered(nodes, f, false, false))).ToArray());
    }

    /// <summary>Squares of the entries of a direction in as many dimensions as there are eigenvalues.</summary>
    private static double[] Direction(Random random)
    {
        double[] squares = [.. Enumerable.Range(0, Size).Select(_ => -2 * Math.Log(1 - random.NextDouble()) * Math.Pow(Math.Cos(2 * Math.PI * random.NextDouble()), 2))];
        double sum = squares.Sum();
        return [.. squares.Select(square => square / sum)];
    }
}

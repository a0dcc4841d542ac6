using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

public sealed class LanczosRunsTests
{
    private const int Size = 128;
    private const double Tolerance = 1e-3;

    // All simple: a few far out, which converge within ten steps, and a crowd 0.008 apart. Without reorthogonalisation 50 comes back 2 to 11 times.
    private static readonly double[] Outliers = [50, 20, -5];
    private static readonly double[] Spectrum = [.. Outliers, .. Enumerable.Range(1, Size - 3).Select(i => i / 125.0)];

    public static TheoryData<ScalarType, int> Steps
    {
        get
        {
            TheoryData<ScalarType, int> data = [];
            foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
            {
                foreach (int steps in (int[])[10, 20, 40, 60, 100, Size, 2 * Size])
                {
                    data.Add(dtype, steps);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public void Gives_one_Ritz_value_a_simple_eigenvalue_at_any_number_of_steps(ScalarType dtype, int steps)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum, 3, dtype);
        LanczosRuns runs = LanczosRuns.From(a, 3, steps, seed: 1);
        Assert.Equal(3, runs.Alphas.Count);
        foreach ((double[] alpha, double[] beta) in runs.Alphas.Zip(runs.Betas))
        {
            Assert.Equal(Math.Min(steps, Size), alpha.Length);
            double[] nodes = RitzValues(alpha, beta);
            int Near(double eigenvalue) => nodes.Count(node => Math.Abs(node - eigenvalue) < Tolerance);
            Assert.All(Outliers, eigenvalue => Assert.Equal(1, Near(eigenvalue)));
            Assert.All(Spectrum, eigenvalue => Assert.InRange(Near(eigenvalue), steps < Size ? 0 : 1, 1));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-8)]
    [InlineData(ScalarType.Float64, 1e8)]
    [InlineData(ScalarType.Float32, 1e-8)]
    [InlineData(ScalarType.Float32, 1e8)]
    public void A_run_ends_where_its_space_is_invariant_at_any_scale(ScalarType dtype, double scale)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = [.. Enumerable.Repeat(3 * scale, 20), .. Enumerable.Repeat(-scale, 20), .. new double[60]];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, 4, dtype);
        LanczosRuns runs = LanczosRuns.From(a, 2, 50, seed: 2);
        foreach ((double[] alpha, double[] beta) in runs.Alphas.Zip(runs.Betas))
        {
            double[] nodes = RitzValues(alpha, beta);
            Assert.InRange(nodes.Length, 3, 4); // a fourth, where what is left is just above rounding
            Assert.All((double[])[3, -1, 0], value => Assert.Contains(nodes, node => Math.Abs((node / scale) - value) < 1e-5));
        }
    }

    private static double[] RitzValues(double[] alpha, double[] beta)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor t = tensor(alpha).diag();
        t = beta.Length == 0 ? t : t.add(tensor(beta).diag(1)).add(tensor(beta).diag(-1));
        return linalg.eigvalsh(t).data<double>().ToArray();
    }
}

namespace Curvature.Tests.Reference;

/// <summary>Spectra on which estimators have gone wrong elsewhere, 100 eigenvalues each.</summary>
internal static class Spectra
{
    public const int Size = 100;

    public static IReadOnlyDictionary<string, double[]> All { get; } = new Dictionary<string, double[]>
    {
        ["zero"] = new double[Size],
        ["identity"] = [.. Enumerable.Repeat(2.5, Size)],
        ["two points"] = [.. Enumerable.Repeat(7.0, 10), .. Enumerable.Repeat(1.0, Size - 10)],
        ["rank 5"] = [9, 5, 4, 2, 1, .. new double[Size - 5]],
        ["decaying"] = [.. Enumerable.Range(0, Size).Select(i => Math.Exp(-i / 8.0))],
        ["power law"] = [.. Enumerable.Range(1, Size).Select(i => 1.0 / i)],
        ["flat"] = [.. Enumerable.Range(0, Size).Select(i => 3 - (2.0 * i / Size))],
        ["indefinite"] = [.. Enumerable.Range(0, Size - 3).Select(i => Math.Exp(-i / 8.0)), 4, -3, -1],
        ["near zero"] = [.. Enumerable.Range(0, Size - 40).Select(i => 1 + (i / 20.0)), .. Enumerable.Repeat(-0.01, 30), .. Enumerable.Repeat(-0.12, 10)], // -0.3 and -3 % of the largest
    };
}

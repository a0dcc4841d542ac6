using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// Kendall's rank correlation tau-b between two lists: <c>(C - D) / sqrt((n0 - n1) (n0 - n2))</c> with C concordant and D discordant pairs, <c>n0 = n (n - 1) / 2</c>, and n1 and n2 pairs tied in either list
/// (Kendall 1945). 1 where both rank alike, -1 where one is the other's reverse; NaN where a list is all ties.
/// </summary>
/// <param name="Value">tau-b.</param>
/// <param name="Count">n, the number of items.</param>
public sealed record KendallTau(double Value, int Count)
{
    /// <summary>Standard deviation of tau between lists that have nothing to do with each other, without ties: <c>sqrt(2 (2n + 5) / (9 n (n - 1)))</c>. Few layers say little.</summary>
    public double Chance => Math.Sqrt(2 * ((2.0 * Count) + 5) / (9.0 * Count * (Count - 1)));

    /// <summary>The correlation of two lists. <c>n^2 / 2</c> comparisons.</summary>
    /// <exception cref="CurvatureException">Lists of different lengths, or a number that is NaN.</exception>
    public static KendallTau Of(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        if (x.Count != y.Count || x.Any(double.IsNaN) || y.Any(double.IsNaN))
        {
            throw new CurvatureException($"Expected two lists of as many numbers, got {x.Count} and {y.Count}{(x.Count == y.Count ? ", some of them NaN" : "")}.");
        }

        long score = 0, untiedX = 0, untiedY = 0;
        for (int i = 0; i < x.Count; i++)
        {
            for (int j = 0; j < i; j++)
            {
                (int a, int b) = (x[i].CompareTo(x[j]), y[i].CompareTo(y[j]));
                score += Math.Sign(a) * Math.Sign(b);
                (untiedX, untiedY) = (untiedX + (a == 0 ? 0 : 1), untiedY + (b == 0 ? 0 : 1));
            }
        }

        return new KendallTau(score / Math.Sqrt((double)untiedX * untiedY), x.Count);
    }

    /// <summary>How alike two tables rank the layers that both have, at one width.</summary>
    /// <exception cref="CurvatureException">Fewer than two layers in common with sensitivities at that width.</exception>
    public static KendallTau Between(LayerTable a, LayerTable b, int bits)
    {
        var other = b.Layers.ToDictionary(layer => layer.Name, layer => layer.SensitivityAt(bits), StringComparer.Ordinal);
        (double X, double Y)[] common = [.. a.Layers
            .Where(layer => layer.SensitivityAt(bits) is not null && other.GetValueOrDefault(layer.Name) is not null)
            .Select(layer => (layer.SensitivityAt(bits)!.Value, other[layer.Name]!.Value))];
        return common.Length > 1
            ? Of([.. common.Select(pair => pair.X)], [.. common.Select(pair => pair.Y)])
            : throw new CurvatureException($"A rank correlation at {bits} bits needs at least two layers with sensitivities in both tables, got {common.Length}.");
    }
}

namespace Curvature.Quant.Planning;

/// <summary>How often each width came out for a layer.</summary>
/// <param name="Name">The layer.</param>
/// <param name="Bits">What the plan gives it.</param>
/// <param name="Shares">Share of the draws by bits; they sum to 1.</param>
public sealed record LayerChoices(string Name, int Bits, IReadOnlyDictionary<int, double> Shares)
{
    /// <summary>Share of the draws in which the layer got other bits than the plan's.</summary>
    public double Flips => 1 - Shares.GetValueOrDefault(Bits);
}

using Curvature.Quant.Networks;
using Curvature.Quant.Planning;

namespace Curvature.Viz.Report;

/// <summary>How a network does under a plan.</summary>
/// <param name="Name">The plan's name.</param>
/// <param name="Plan">Null: floating point.</param>
/// <param name="Data">On the samples that sensitivities come from.</param>
/// <param name="Test">On held-out samples; null without.</param>
public sealed record PlanQuality(string Name, BitPlan? Plan, NetworkQuality Data, NetworkQuality? Test)
{
    /// <summary>On held-out samples where there are any.</summary>
    public NetworkQuality Best => Test ?? Data;
}

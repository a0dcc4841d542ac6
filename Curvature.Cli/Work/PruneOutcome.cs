using Curvature.Quant.Networks;

namespace Curvature.Cli.Work;

/// <summary>How the model did before and after, by which method.</summary>
/// <param name="Name"><c>before</c>, <c>obs</c> or <c>magnitude</c>.</param>
/// <param name="Data">On the samples of <c>--data</c>.</param>
/// <param name="Test">On those of <c>--test</c>; null without.</param>
internal sealed record PruneOutcome(string Name, NetworkQuality Data, NetworkQuality? Test);

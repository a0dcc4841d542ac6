namespace Curvature.Samples;

/// <summary>One idea, run by its name.</summary>
internal sealed record Sample(string Name, string Summary, Action<SampleOptions, CancellationToken> Run);

namespace Curvature.Bench;

/// <summary>One measurement: its name on the command line, its heading, and what prints its table.</summary>
internal sealed record Section(string Name, string Title, Action<BenchOptions, TextWriter> Run);

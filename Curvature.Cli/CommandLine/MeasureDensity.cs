using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure density</c>.</summary>
internal sealed class MeasureDensity() : MeasuredQuantity("density", "density of all eigenvalues: nodes and weights of its quadrature, and a smoothed curve")
{
    // What is asked for by a tolerance may take more than is made unasked.
    private const int RunsUnderTolerance = 32;

    private readonly DensityOptions _options = new();
    private readonly Option<double?> _tolerance = Choices.Tolerance($"half the 95 % interval of the cumulative density is below T of the eigenvalues everywhere beyond 1 % of the largest; then up to {RunsUnderTolerance} runs");
    private readonly Option<double?> _kernelWidth = Choices.Real(
        "--kernel-width", "W", "standard deviation of the Gaussian that smooths the curve, in units of the eigenvalues [from the spacing of the nodes]", "a number above 0", width => width > 0);

    protected override string Member => "density";

    protected override void AddOptions(Command command)
    {
        _options.AddTo(command);
        command.Add(_tolerance);
        command.Add(_kernelWidth);
    }

    protected override Quantities Wanted(ParseResult parse, int seed)
    {
        double? tolerance = parse.GetValue(_tolerance);
        return new() { Density = _options.Read(parse, seed, tolerance is null ? null : RunsUnderTolerance) with { CumulativeTolerance = tolerance, KernelWidth = parse.GetValue(_kernelWidth) } };
    }

    protected override object? Value(SharpnessSummary summary) => DensityJson.Of(summary.Density!);

    protected override void Print(Terminal terminal, SharpnessSummary summary) => ReportText.Density(terminal, summary);
}

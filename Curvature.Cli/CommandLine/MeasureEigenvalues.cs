using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Krylov;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure eigs</c>.</summary>
internal sealed class MeasureEigenvalues() : MeasuredQuantity("eigs", "extreme eigenvalues with their residuals, largest magnitude first")
{
    private readonly EigenvalueOptions _options = new(Spectrum.Magnitude);

    protected override void AddOptions(Command command) => _options.AddTo(command);

    protected override Quantities Wanted(ParseResult parse, int seed) => new() { Eigenvalues = _options.Read(parse, seed) };

    protected override JsonReport AddTo(JsonReport json, SharpnessReport report) => json.Add("eigenvalues", report.Summary.Eigenvalues);

    protected override void Print(Terminal terminal, SharpnessReport report) => ReportText.Eigenvalues(terminal, report.Summary);
}

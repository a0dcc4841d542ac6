using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Krylov;
using Curvature.Sharpness;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure eigs</c>.</summary>
internal sealed class MeasureEigenvalues() : MeasuredQuantity("eigs", "extreme eigenvalues with their residuals, largest magnitude first")
{
    private readonly EigenvalueOptions _options = new(Spectrum.Magnitude, alone: true);

    protected override string Member => "eigenvalues";

    protected override bool HasVectors => true;

    protected override void AddOptions(Command command) => _options.AddTo(command);

    protected override Quantities Wanted(ParseResult parse, int seed) => new() { Eigenvalues = _options.Read(parse, seed) };

    protected override object? Value(SharpnessSummary summary) => summary.Eigenvalues;

    protected override void Print(Terminal terminal, SharpnessSummary summary) => ReportText.Eigenvalues(terminal, summary);
}

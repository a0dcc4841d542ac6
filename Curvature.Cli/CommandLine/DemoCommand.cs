using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary>
/// <c>curvature demo</c>: a sharpness report on the digits checkpoint inside this program, with the exact numbers beside the estimates.
/// </summary>
internal static class DemoCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string?> folder = ReportCommand.Out();
        Option<int?> seed = Choices.Integer("--seed", "of every random choice [0]");
        var command = new Command("demo", "sharpness report on a small network for handwritten digits; needs nothing else") { folder, seed };
        command.SetAction(parse =>
        {
            using var files = new EmbeddedDemo();
            var request = new WorkRequest
            {
                Model = files.Model,
                ModelType = "digits-mlp",
                Data = files.Data,
                Target = "-1",
                Scale = 1.0 / 16,
                Loss = "cross-entropy",
                Seed = parse.GetValue(seed) ?? 0,
                CommandLine = "curvature demo",
                Embedded = true,
            };
            var wanted = new Quantities
            {
                Trace = new TraceWork(TraceWork.Default, ProbeWork.Of(null, null), new EstimatorOptions { Seed = request.Seed }),
                Eigenvalues = new EigenvalueWork(EigenvalueWork.Default, new EigensolverOptions { Count = 5, Which = Spectrum.Both, Seed = request.Seed }),
                Density = new StochasticLanczosQuadrature { Seed = request.Seed },
                Exact = true,
            };
            return ReportCommand.Write(request, wanted, parse.GetValue(folder), FigureFormat.Svg, terminal);
        });
        return command;
    }
}

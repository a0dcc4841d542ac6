using System.CommandLine;
using Curvature.Cli.Output;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure QUANTITY</c>. The catalogue of quantities: a new one is one file and one line here.</summary>
internal static class MeasureCommand
{
    public static Command Create(Terminal terminal)
    {
        var command = new Command("measure", "measure one quantity of a checkpoint's curvature");
        foreach (MeasuredQuantity quantity in (MeasuredQuantity[])
            [new MeasureTrace(), new MeasureEigenvalues(), new MeasureDensity(), new MeasureDiagonal(), new MeasureNorm(), new MeasureLogDeterminant(), new MeasureStability()])
        {
            command.Add(quantity.Create(terminal));
        }

        command.Add(MeasureLandscape.Create(terminal));
        return command;
    }
}

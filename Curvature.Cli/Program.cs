using System.Runtime.InteropServices;
using Curvature.Cli;
using Curvature.Cli.Work;

if (Team.Count > 1)
{
    Environment.SetEnvironmentVariable("TERM", null); // mpirun hands each rank a terminal of its own, which the runtime would greet with control characters among the results
}

using var cancellation = new CancellationTokenSource();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
return Team.End(CurvatureCommand.Run(args, Console.Out, Console.Error, cancellation.Token));

// The first signal asks the work to stop at the next batch; a second one ends the process at once.
void Cancel(PosixSignalContext signal)
{
    signal.Cancel = !cancellation.IsCancellationRequested;
    cancellation.Cancel();
}

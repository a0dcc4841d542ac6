using System.Runtime.InteropServices;
using Curvature.Cli;
using Curvature.Cli.Work;
using Curvature.Distributed;
using Curvature.Tensors;

if (Launcher.IsAtWork)
{
    Environment.SetEnvironmentVariable("TERM", null); // mpirun hands rank 0 a terminal of its own, where its own output may go to a file, which the runtime would greet with control characters among the results
}

FreedMemory.Keep();
using var cancellation = new CancellationTokenSource();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
return Team.End(CurvatureCommand.Run(args, Console.Out, Console.Error, cancellation.Token));

// The first signal asks the work to stop at the next batch; a second one ends the process at once.
void Cancel(PosixSignalContext signal)
{
    signal.Cancel = !cancellation.IsCancellationRequested;
    if (signal.Cancel && Team.IsTogether)
    {
        Interruption.Answer(args, Console.Error);
    }

    cancellation.Cancel();
}

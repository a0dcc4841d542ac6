using System.Diagnostics;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>A test that starts ranks by Open MPI's <c>mpirun</c>.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MpirunFactAttribute : FactAttribute
{
    private static readonly bool Possible = Try();

    public MpirunFactAttribute() => Skip = Possible ? null! : "mpirun of Open MPI is not installed: apt-get install openmpi-bin.";

    private static bool Try()
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("mpirun", ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            return process.StandardOutput.ReadToEnd().Contains("Open MPI", StringComparison.Ordinal);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}

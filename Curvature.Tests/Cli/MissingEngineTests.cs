using System.Text;
using System.Text.RegularExpressions;
using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>The command where its engine is not: a process each, since a library that was found stays found.</summary>
[Trait("Engine", "StandIn")]
public sealed class MissingEngineTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Says_to_build_again_without_the_native_library() => AssertFails(
        folder.File("none.so"),
        $"The native part of the TorchSharp stand-in is missing: expected {Regex.Escape(folder.File("none.so"))}. "
        + "Build the solution again \\(dotnet build\\), or name the library in CURVATURE_TORCH_NATIVE.");

    [Fact]
    public void Says_what_to_install_without_libtorch() => AssertFails(
        LibraryThatNeeds("libtorch_not.so"),
        "libtorch could not be loaded \\(libtorch_not.so[.0-9]*: cannot open shared object file: No such file or directory\\). "
        + "Install it: apt-get install --no-install-recommends libtorch-dev libopenblas0-openmp, or keep the libtorch named by LIBTORCH at build time where it was.");

    private void AssertFails(string library, string message)
    {
        string report = folder.File("report");
        using CommandProcess process = CommandProcess.With("CURVATURE_TORCH_NATIVE", library, ["report", .. CommandRun.Digits, "--out", report]);
        CommandRun run = process.Finish();

        Assert.Equal((CurvatureCommand.Failed, ""), (run.ExitCode, run.Output));
        Assert.Matches($"^error: {message}\n$", run.Error);
        Assert.False(Directory.Exists(report));
    }

    /// <summary>The native library, asking for another libtorch under a name of the same length.</summary>
    private string LibraryThatNeeds(string name)
    {
        byte[] library = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "libcurvature_torch.so"));
        Encoding.ASCII.GetBytes(name).CopyTo(library, library.AsSpan().IndexOf("libtorch_cpu.so"u8));
        return folder.Write("libcurvature_torch.so", library);
    }
}

using System.Diagnostics;
using Xunit;

namespace Curvature.Tests.Build;

/// <summary>
/// What a build says where the native part of the TorchSharp stand-in cannot be built. The target alone is run, into a folder of its own: seconds,
/// and the real outputs stay as they are.
/// </summary>
[Trait("Engine", "StandIn")]
public sealed class NativeBuildTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("sh", "make", "c++")]
    [InlineData("sh", "cmake", "make")]
    public void Names_the_packages_where_CMake_or_the_compiler_is_missing(params string[] tools) => AssertFails(
        "CVN001",
        "needs CMake and a C++20 compiler. Install them: apt-get install g++ cmake make",
        libtorch: "",
        searchPath: SearchPathWith(tools));

    [Fact]
    public void Names_the_package_and_the_variable_where_libtorch_is_missing() => AssertFails(
        "CVN002",
        "libtorch not found. Install libtorch-dev (apt-get install --no-install-recommends libtorch-dev libopenblas0-openmp) or set LIBTORCH",
        libtorch: folder.File("nonexistent"),
        searchPath: Environment.GetEnvironmentVariable("PATH")!);

    /// <summary>One error of that code and text, a failing exit code, and no file left that a later build would find.</summary>
    private void AssertFails(string code, string text, string libtorch, string searchPath)
    {
        string outputs = folder.File("artifacts");
        ProcessStartInfo start = new("dotnet",
        [
            "msbuild", Repository.File("compat/TorchSharp/Curvature.Compat.TorchSharp.csproj"), "-target:BuildNative", $"-property:ArtifactsPath={outputs}",
            "-nodeReuse:false", "-nologo", "-verbosity:quiet",
        ])
        {
            WorkingDirectory = Repository.File("compat"),
            RedirectStandardOutput = true,
        };
        start.Environment["LIBTORCH"] = libtorch;
        start.Environment["PATH"] = searchPath;
        start.Environment.Remove("CXX");

        using Process build = Process.Start(start)!;
        string output = build.StandardOutput.ReadToEnd();
        build.WaitForExit();

        Assert.NotEqual(0, build.ExitCode);
        string line = Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains($"error {code}: ", line, StringComparison.Ordinal);
        Assert.Contains(text, line, StringComparison.Ordinal);
        Assert.True(!Directory.Exists(outputs) || Directory.GetFiles(outputs, "*", SearchOption.AllDirectories).Length == 0);
    }

    /// <summary>A folder with nothing but these tools.</summary>
    private string SearchPathWith(string[] tools)
    {
        string bin = Directory.CreateDirectory(folder.File("bin")).FullName;
        foreach (string tool in tools)
        {
            File.CreateSymbolicLink(Path.Combine(bin, tool), $"/usr/bin/{tool}");
        }

        return bin;
    }
}

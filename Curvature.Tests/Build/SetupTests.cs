using Xunit;

namespace Curvature.Tests.Build;

public sealed class SetupTests : IDisposable
{
    private const string Everything = "g++ cmake make libtorch-dev libopenblas0-openmp";

    private readonly ScriptSandbox sandbox = new();

    public SetupTests()
    {
        sandbox.Stub("dpkg-query", "exit 1");
        sandbox.Stub("apt-get", "echo \"apt-get $*\"");
        sandbox.Stub("readlink", "echo /usr/lib/blas/libblas.so.3");
        sandbox.Stub("id", "echo 0");
    }

    public void Dispose() => sandbox.Dispose();

    [Fact]
    public void Tells_a_user_the_one_command_to_run()
    {
        sandbox.Stub("id", "echo 1000");

        (int exitCode, string output, string error) = sandbox.Run("eng/setup.sh", "");

        Assert.Equal(1, exitCode);
        Assert.Equal("", output);
        Assert.Matches(@"sudo sh -c ""apt-get update && apt-get install --yes --no-install-recommends g\+\+ cmake make .*libtorch-dev libopenblas0-openmp""", error);
        Assert.DoesNotContain("apt-get update -qq", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Installs_without_recommended_packages_as_root()
    {
        (int exitCode, _, string error) = sandbox.Run("eng/setup.sh", "");

        Assert.Equal(0, exitCode);
        Assert.Contains("apt-get update", error, StringComparison.Ordinal);
        Assert.Matches(@"apt-get install --yes --no-install-recommends g\+\+ .*libtorch-dev", error);
    }

    [Fact]
    public void Does_nothing_where_everything_is_there()
    {
        sandbox.StubAll("g++", "cmake", "make");
        sandbox.Stub("dpkg-query", "echo -n installed");
        sandbox.Stub("readlink", "echo /usr/lib/openblas-openmp/libblas.so.3");

        (int exitCode, string output, string error) = sandbox.Run("eng/setup.sh", "");

        Assert.Equal((0, "", ""), (exitCode, output, error));
    }

    [Fact]
    public void Asks_for_no_libtorch_where_the_environment_names_one()
    {
        (_, _, string error) = sandbox.Run("eng/setup.sh", "", ("LIBTORCH", "/opt/libtorch"));

        Assert.Contains("g++", error, StringComparison.Ordinal);
        Assert.DoesNotContain("libtorch-dev", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_the_command_when_it_fails()
    {
        sandbox.Stub("apt-get", "echo E: no network >&2; exit 100");

        (int exitCode, _, string error) = sandbox.Run("eng/setup.sh", "");

        Assert.Equal(1, exitCode);
        Assert.Contains("E: no network", error, StringComparison.Ordinal);
        Assert.Matches("Could not install(.|\n)*apt-get update && apt-get install", error);
    }

    [Fact]
    public void Says_what_is_missing_on_a_system_without_apt()
    {
        sandbox.Remove("apt-get");

        (int exitCode, _, string error) = sandbox.Run("eng/setup.sh", "");

        Assert.Equal(1, exitCode);
        Assert.All(Everything.Split(' '), package => Assert.Contains(package, error, StringComparison.Ordinal));
    }
}

using Xunit;

namespace Curvature.Tests.Build;

/// <summary>The closing line of <c>./build.sh test</c>, with a stub for dotnet that leaves result files as the real one does.</summary>
public sealed class BuildScriptTests : IDisposable
{
    private readonly ScriptSandbox sandbox = new();

    public BuildScriptTests()
    {
        sandbox.StubAll("g++", "cmake", "make", "apt-get");
        sandbox.Stub("dpkg-query", "echo -n installed");
        sandbox.Stub("readlink", "echo /usr/lib/openblas-openmp/libblas.so.3");
    }

    public void Dispose() => sandbox.Dispose();

    [Theory]
    [InlineData(0, 0, "12 passed, 0 failed", "passed=\"7\" failed=\"0\"", "passed=\"5\" failed=\"0\"")]
    [InlineData(1, 1, "7 passed, 5 failed", "passed=\"7\" failed=\"5\"")]
    [InlineData(0, 1, "0 passed, 1 failed", "passed=\"0\" failed=\"0\"")] // nothing ran
    [InlineData(1, 1, "3 passed, 1 failed", "passed=\"3\" failed=\"0\"")] // the host ended after three tests
    [InlineData(134, 1, "0 passed, 1 failed")] // no result file at all
    public void Ends_with_the_counts_of_all_result_files(int testExit, int expectedExit, string closing, params string[] counters)
    {
        Dotnet(testExit, counters);

        (int exitCode, string output, _) = sandbox.Run("build.sh", "test");

        Assert.Equal((expectedExit, closing), (exitCode, output.TrimEnd('\n').Split('\n')[^1]));
    }

    [Theory]
    [InlineData(0, "9 passed, 0 failed")]
    [InlineData(3, "9 passed, 1 failed")] // of the one beside
    public void Two_processes_share_the_tests_and_are_counted_together(int exit, string closing)
    {
        sandbox.Stub("dotnet", $$"""
            case $1 in
                --version) echo 10.0.100 ;;
                test) mkdir -p artifacts/test-results
                    case "$*" in
                        *LogFileName=library.trx*'--filter FullyQualifiedName~Tests.Core&FullyQualifiedName!~Core.Checkpoints&FullyQualifiedName!~Core.Estimators') file=library passed=4 exit={{exit}} ;;
                        *LogFileName=rest.trx*'--filter FullyQualifiedName!~Tests.Core|FullyQualifiedName~Core.Checkpoints|FullyQualifiedName~Core.Estimators') file=rest passed=5 exit=0 ;;
                    esac
                    echo "<TestRun><Counters total=\"9\" executed=\"9\" passed=\"$passed\" failed=\"0\" error=\"0\" timeout=\"0\" aborted=\"0\" /></TestRun>" >artifacts/test-results/$file.trx
                    exit $exit ;;
            esac
            """);

        (int exitCode, string output, _) = sandbox.Run("build.sh", "test");

        Assert.Equal((exit == 0 ? 0 : 1, closing), (exitCode, output.TrimEnd('\n').Split('\n')[^1]));
    }

    [Fact]
    public void What_is_asked_for_runs_in_one_process()
    {
        Dotnet(0, ["passed=\"7\" failed=\"0\""], "echo \"called $*\"");

        (_, string output, _) = sandbox.Run("build.sh", "test --filter Name~X");

        Assert.EndsWith("--logger trx --filter Name~X", Assert.Single(output.Split('\n'), line => line.StartsWith("called", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public void Says_why_a_test_was_skipped()
    {
        Dotnet(0, ["passed=\"7\" failed=\"0\"/>\n<UnitTestResult testName=\"A.B\" outcome=\"NotExecuted\"><Output>\n<ErrorInfo>\n<Message>needs a GPU</Message>\n<x"]);

        (_, string output, _) = sandbox.Run("build.sh", "test");

        Assert.Equal(["skipped A.B: needs a GPU", "7 passed, 0 failed"], output.TrimEnd('\n').Split('\n')[^2..]);
    }

    [Fact]
    public void Says_which_sdk_is_too_old()
    {
        sandbox.Stub("dotnet", "[ $1 = --list-sdks ] && echo '8.0.100 [/usr/lib/dotnet/sdk]' && exit 0; exit 1");

        (int exitCode, _, string error) = sandbox.Run("build.sh", "test");

        Assert.Equal(1, exitCode);
        Assert.Contains("10.0.100 or a later 10.0; found: 8.0.100", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_command_that_it_does_not_know()
    {
        (int exitCode, _, string error) = sandbox.Run("build.sh", "tset");

        Assert.Equal(2, exitCode);
        Assert.Contains("'tset'", error, StringComparison.Ordinal);
    }

    private void Dotnet(int testExit, string[] counters, string first = ":")
    {
        string files = string.Join('\n', counters.Select(
            (counts, i) => $"echo '<TestRun><Counters total=\"9\" executed=\"9\" {counts} error=\"0\" timeout=\"0\" aborted=\"0\" /></TestRun>' >artifacts/test-results/{i}.trx"));
        sandbox.Stub("dotnet", $"""
            case $1 in
                --version) echo 10.0.100 ;;
                test) {first}; mkdir -p artifacts/test-results; {files}
                    exit {testExit} ;;
            esac
            """);
    }
}

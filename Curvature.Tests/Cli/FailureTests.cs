using System.Runtime.InteropServices;
using Curvature.Cli.Output;
using Xunit;

namespace Curvature.Tests.Cli;

public class FailureTests
{
    [Fact]
    public void Shows_the_last_RuntimeError_line_of_a_TorchScript_error() => Assert.Equal(
        "mat1 and mat2 shapes cannot be multiplied (1x3 and 4x2)",
        Failure.Describe(new EngineFailure(
            "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript:\n  File \"m.py\"\nRuntimeError: mat1 and mat2 shapes cannot be multiplied (1x3 and 4x2)\n")));

    [Fact]
    public void Shows_the_first_line_of_any_other_engine_error() =>
        Assert.Equal("index out of range", Failure.Describe(new EngineFailure("index out of range\nframe #0: c10::Error")));

    [Fact]
    public void Finds_the_cause_of_a_type_that_could_not_start() => Assert.Equal(
        "libtorch could not be loaded. Install it: apt-get install libtorch-dev",
        Failure.Describe(new TypeInitializationException("T", new DllNotFoundException("libtorch could not be loaded. Install it: apt-get install libtorch-dev"))));

    [Fact]
    public void Is_one_line_for_an_unforeseen_error()
    {
        string message = Failure.Describe(new InvalidOperationException("first\nsecond"));
        Assert.Contains("InvalidOperationException", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    /// <summary>What TorchSharp throws for an engine's error.</summary>
    private sealed class EngineFailure(string message) : ExternalException(message);
}

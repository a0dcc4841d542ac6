using Curvature.Cli.Work;
using Curvature.Sharpness;
using Xunit;

namespace Curvature.Tests.Cli;

public class BlasTests
{
    [Theory]
    [InlineData("OpenBLAS", "/usr/lib/x86_64-linux-gnu/libopenblas.so.0", "/usr/lib/x86_64-linux-gnu/openblas-openmp/libblas.so.3")]
    [InlineData("reference", "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0", "/usr/lib/x86_64-linux-gnu/libtorch_cpu.so.1.13")]
    [InlineData("MKL", "/opt/intel/libmkl_core.so.2")]
    [InlineData("built into libtorch", "/opt/torch/lib/libtorch_cpu.so")]
    public void Is_named_after_the_library_in_memory(string expected, params string[] libraries) => Assert.Equal(expected, Blas.Identify(libraries));

    [Fact]
    public void The_slow_one_is_a_warning_with_the_remedy()
    {
        Finding? finding = new Blas("reference", 4.7, 2).SlowFinding();
        Assert.Equal(("slow-blas", Severity.Warning), (finding?.Id, finding?.Severity));
        Assert.Contains("apt-get install libopenblas0-openmp", finding?.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(116, 1)]
    [InlineData(36, 2)] // both cores shared with other work
    public void A_fast_one_is_not_worth_a_word(double gigaflopsPerSecond, int threads) =>
        Assert.Null(new Blas("OpenBLAS", gigaflopsPerSecond, threads).SlowFinding());

    [Fact]
    public void Is_measured() => Assert.InRange(Blas.Measure().GigaflopsPerSecond, 0.01, 1e6);
}

using System.Diagnostics;
using System.Globalization;
using Curvature.Tensors;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Tensors;

/// <summary>A setting of the whole process: each case has one of its own.</summary>
public class FreedMemoryTests
{
    private const int Rounds = 40, TensorsARound = 6;
    private const long Elements = 2 << 20;

    /// <summary>Pages of 4,096 bytes that the tensors of all rounds but the first lie on.</summary>
    private const long Pages = (Rounds - 1) * TensorsARound * Elements * sizeof(float) / 4096;

    private const string Kept = "kept", GivenBack = "given-back";

    /// <summary>Given back, the tensors of nearly every round lie on new pages (402,477 of 479,232 in most processes; the allocator may chance to keep them).</summary>
    private static readonly Lazy<long> WhereGivenBack = new(() => FaultsOf(GivenBack));

    [GivesBackFact]
    public void Stays_with_the_process_for_what_it_takes_next() => Assert.InRange(FaultsOf(Kept), 0, 0.5 * WhereGivenBack.Value);

    [Theory]
    [InlineData(-1)]
    [InlineData(1L << 31)]
    public void Is_a_number_of_bytes_that_the_allocator_takes(long bytes) =>
        Assert.Contains($"got {bytes}", Assert.Throws<CurvatureException>(() => FreedMemory.Keep(bytes)).Message, StringComparison.Ordinal);

    /// <summary>The program of the processes: pages that the system handed out while tensors came and went, on standard output.</summary>
    internal static int Run(string what)
    {
        if (what == Kept && !FreedMemory.Keep())
        {
            return 1;
        }

        Round();
        long before = Faults();
        for (int i = 1; i < Rounds; i++)
        {
            Round();
        }

        Console.WriteLine(Faults() - before);
        return 0;
    }

    private static void Round()
    {
        using var scope = NewDisposeScope();
        for (int i = 0; i < TensorsARound; i++)
        {
            ones(Elements);
        }
    }

    /// <summary>Minor page faults of this process so far: the tenth number of <c>/proc/self/stat</c>, where the second, the name, stands in brackets.</summary>
    private static long Faults() => long.Parse(File.ReadAllText("/proc/self/stat").Split(") ")[1].Split(' ')[7], CultureInfo.InvariantCulture);

    private static long FaultsOf(string what)
    {
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [typeof(FreedMemoryTests).Assembly.Location, "freed-memory", what]) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return long.Parse(output, CultureInfo.InvariantCulture);
    }

    /// <summary>Nothing can be seen where memory that is given back is had again without new pages, or in a few large ones.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    private sealed class GivesBackFactAttribute : FactAttribute
    {
        public GivesBackFactAttribute() => Skip = WhereGivenBack.Value < 0.25 * Pages ? $"{WhereGivenBack.Value} pages were handed out anew for tensors on {Pages}: the allocator kept them unasked, or they are large" : null;
    }
}

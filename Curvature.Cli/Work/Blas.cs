using System.Diagnostics;
using Curvature.Cli.Output;
using Curvature.Sharpness;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>The linear-algebra library that libtorch found, and how fast it multiplies.</summary>
/// <param name="Name">E.g. <c>OpenBLAS</c>; <c>reference</c> is Debian's unoptimised one.</param>
/// <param name="GigaflopsPerSecond">Measured on a float32 product of two 512 x 512 matrices, all threads.</param>
/// <param name="Threads">Threads it was measured with.</param>
internal sealed record Blas(string Name, double GigaflopsPerSecond, int Threads)
{
    // OpenBLAS and MKL reach 50 to 120 GF/s on one core of the last ten years, the reference BLAS 2 to 5 on any number. A busy machine lies between.
    private const double Slow = 20;

    private const int Size = 512, Repetitions = 10;

    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(0.3);

    /// <summary>The library's name.</summary>
    public static string Loaded => Identify(LoadedLibraries());

    /// <summary>Names the library and times it; some 20 ms where it is fast.</summary>
    public static Blas Measure()
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor a = ones([Size, Size], ScalarType.Float32);
        var clock = Stopwatch.StartNew();
        a.mm(a).Dispose(); // warm-up
        TimeSpan best = clock.Elapsed;
        for (int i = 0; i < Repetitions && clock.Elapsed < Enough; i++)
        {
            TimeSpan start = clock.Elapsed;
            a.mm(a).Dispose();
            TimeSpan time = clock.Elapsed - start;
            best = time < best ? time : best;
        }

        return new Blas(Loaded, 2e-9 * Size * Size * Size / best.TotalSeconds, get_num_threads());
    }

    /// <summary>A warning where products will take many times longer than they need.</summary>
    public Finding? SlowFinding()
    {
        if (GigaflopsPerSecond >= Slow)
        {
            return null;
        }

        string remedy = Name == "reference"
            ? "This is Debian's reference BLAS, 25 to 50 times slower than OpenBLAS: apt-get install libopenblas0-openmp"
            : "Is the machine busy? Otherwise install OpenBLAS: apt-get install libopenblas0-openmp";
        return Finding.Of(
            "slow-blas",
            Severity.Warning,
            $"Matrix products run at {Format.Number(GigaflopsPerSecond)} GF/s on {Threads} thread(s). {remedy}.",
            ("blas", Name),
            ("gigaflops_per_second", GigaflopsPerSecond),
            ("threads", Threads));
    }

    /// <summary>The library's name from the files mapped into the process.</summary>
    internal static string Identify(IEnumerable<string> libraries)
    {
        string[] names = [.. libraries.Select(path => Path.GetFileName(path)).Distinct()];
        bool Loaded(string prefix) => names.Any(name => name.StartsWith(prefix, StringComparison.Ordinal));
        return Loaded("libopenblas") ? "OpenBLAS"
            : Loaded("libmkl") ? "MKL"
            : Loaded("libblis") ? "BLIS"
            : Loaded("libblas") ? "reference"
            : "built into libtorch";
    }

    private static IEnumerable<string> LoadedLibraries()
    {
        const string Maps = "/proc/self/maps";
        return File.Exists(Maps)
            ? File.ReadLines(Maps).Select(line => line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries)).Where(f => f.Length == 6).Select(f => f[5])
            : [];
    }
}

using Curvature.MatrixFree;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// A step of the dynamic M-FAC window (insertion and product) beside plain products of the engine with the same matrix, in turns. A step reads the window
/// twice; the ratio is that of its time to two such products.
/// </summary>
internal static class MfacSection
{
    public static void Run(BenchOptions options, TextWriter output)
    {
        using IDisposable noGrad = no_grad();
        (long M, long D, ScalarType Storage)[] windows = options.Quick
            ? [(64, 20_000, ScalarType.Float32), (64, 20_000, ScalarType.BFloat16)]
            : [(256, 500_000, ScalarType.Float32), (1024, 250_000, ScalarType.Float32), (1024, 250_000, ScalarType.BFloat16), (2048, 120_000, ScalarType.Float32)];
        output.WriteLine("    m        d  storage  threads  window MiB        mv ms  mv GB/s       step ms  step GB/s  moved/window  step / 2 mv  float32, as many bytes");
        foreach ((long m, long d, ScalarType storage) in windows)
        {
            foreach (int threads in options.Threads)
            {
                set_num_threads(threads);
                Measure(m, d, storage, threads, options.Quick, output);
            }
        }

        Errors(options.Quick ? 64 : 512, options.Quick ? 2000 : 20_000, output);
    }

    /// <summary>What is left of float32 at the optimizer's damping, beside float64: for the newest gradient of the window, and for a vector outside its span.</summary>
    private static void Errors(long m, long d, TextWriter output)
    {
        const double Lambda = 1e-5;
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(1);
        Tensor G = empty([m, d]).normal_(0, 1, generator), outside = empty([d]).normal_(0, 1, generator), twice = G.to(ScalarType.Float64), last = G.select(0, m - 1).clone();
        using MfacInverse reference = new(twice, new MfacOptions { Damping = Lambda }), single = new(G, new MfacOptions { Damping = Lambda });
        using MfacWindow window = new(m, d, ScalarType.Float32, options: new MfacWindowOptions { Damping = Lambda });
        for (long j = 0; j < m - 1; j++)
        {
            window.Insert(G.select(0, j));
        }

        Tensor step = window.Step(last);
        Tensor gram = twice.mm(twice.t()).add(eye(m, dtype: ScalarType.Float64).mul(m * Lambda));
        Tensor Woodbury(Tensor x) => x.sub(G.t().mv(linalg.solve(gram, G.mv(x).to(ScalarType.Float64).unsqueeze(1)).squeeze(1).to(ScalarType.Float32))).div(Lambda);
        string Error(Tensor y, Tensor x)
        {
            Tensor exact = reference.Apply(x.to(ScalarType.Float64));
            return $"{(y.to(ScalarType.Float64) - exact).norm().ToDouble() / exact.norm().ToDouble(),10:E1}";
        }

        output.WriteLine($"relative errors in float32, m {m}, d {d}, lambda {Lambda:E0}   plain Woodbury      static     dynamic");
        output.WriteLine($"newest gradient of the window                               {Error(Woodbury(last), last)}  {Error(single.Apply(last), last)}  {Error(step, last)}");
        output.WriteLine($"a vector outside their span                                 {Error(Woodbury(outside), outside)}  {Error(single.Apply(outside), outside)}  {Error(window.Apply(outside), outside)}");
    }

    private static void Measure(long m, long d, ScalarType storage, int threads, bool quick, TextWriter output)
    {
        using DisposeScope scope = NewDisposeScope();
        using MfacWindow window = new(m, d, ScalarType.Float32, options: new MfacWindowOptions { Storage = storage });
        Tensor x = randn(d);

        // A full window: its first pass over it is the first insertion's, whose cost grows with the rows that are filled.
        window.LoadStateDict(new Dictionary<string, Tensor>
        {
            ["window"] = randn([m, d]).to(storage),
            ["gram"] = eye(m, dtype: ScalarType.Float64).mul(d),
            ["factor"] = zeros(m, m, ScalarType.Float64),
            ["insertions"] = tensor(m),
        });
        for (int i = 0; i < 2; i++)
        {
            window.Step(x).Dispose();
        }

        // The engine's product with a matrix in bfloat16 is slower than memory: one in float32 of the same size in bytes is beside it.
        bool half = storage == ScalarType.BFloat16;
        Tensor rows = window.StateDict()["window"], vector = x.to(storage), asManyBytes = half ? randn(m / 2, d) : rows;
        Timing[] times = Timing.Interleaved(
            quick,
            Timing.Of(() => rows.mv(vector).Dispose()),
            Timing.Of(() => window.Step(x).Dispose()),
            Timing.Of(() => asManyBytes.mv(x).Dispose()));
        double bytes = (double)m * d * storage.ElementSize();

        // Beside the window: the gradient into it, its row in float64, the product in float64 and in float32; half of the factor twice, read and written.
        double moved = (2 * bytes) + (80.0 * d) + (2 * sizeof(double) * m * m);
        output.WriteLine(
            $"{m,5} {d,8} {(half ? "bf16" : "float32"),8} {threads,8} {bytes / (1 << 20),11:F0} {times[0].Median * 1e3,6:F1} ({times[0].Spread,4:P0}) {bytes / times[0].Median / 1e9,8:F1} "
            + $"{times[1].Median * 1e3,7:F1} ({times[1].Spread,4:P0}) {2 * bytes / times[1].Median / 1e9,10:F1} {moved / bytes,13:F2} {times[1].Median / 2 / times[0].Median,12:F2} {times[1].Median / 2 / times[2].Median,23:F2}");
    }
}

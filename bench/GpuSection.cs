using Curvature.Bench.Networks;
using Curvature.Estimators;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Optimizers;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// What a GPU is to show: products of a ResNet-18 at batch 256 x 3 x 32 x 32 and of a GPT of 124 million parameters at batch 4 x 1,024 in gradients of the same objective; a step of the M-FAC window beside what the device's
/// memory allows; steps of optimizers in AdamW steps. Beside the products, in turns with them, those of PyTorch on the same device, with the same weights, data and vector. The device has done its work when a number that depends on it has
/// been read: each time includes one such wait. On the CPU, and in a quick run, the same of toy sizes: it shows that it runs, and that both sides compute the same.
/// </summary>
internal static class GpuSection
{
    // Of products here and there, in float32, relative to their norm: what a quick run ends with an error at.
    private const double MostDifference = 1e-4;

    private static readonly CrossEntropy Loss = new();

    /// <summary>A network and its data.</summary>
    /// <param name="Name">For the tables.</param>
    /// <param name="There">What PyTorch's side calls it.</param>
    /// <param name="Sizes">What PyTorch's side makes it with.</param>
    /// <param name="Make">Makes it.</param>
    private sealed record Candidate(string Name, string There, long[] Sizes, Func<Workload> Make);

    public static void Run(BenchOptions options, TextWriter output)
    {
        if (options.Device != "cpu" && !cuda.is_available())
        {
            output.WriteLine("skipped: this libtorch finds no CUDA device (gpu --device cpu runs it with toy sizes)");
            return;
        }

        Device device = ComputeDevice.Open(options.Device);
        bool toy = options.Quick || device.type == DeviceType.CPU;
        output.WriteLine($"device {device}{(toy ? ", toy sizes" : "")}; TF32 {(ComputeDevice.AllowsTF32 ? "on" : "off")}; float32");
        long d = toy ? 20_000 : 11_173_962, rows = toy ? 64 : Rows(d, device); // before libtorch keeps memory of the products, which would seem taken
        (long width, long side, long images) = toy ? (8, 16, 4) : (64, 32, 256);
        GptSize size = toy ? new(64, 16, 32, 4, 2) : GptSize.Small;
        Candidate[] workloads =
        [
            new("ResNet-18", "resnet18", [width, side], () => Make("ResNet-18", new ResNet18(width), randn(images, 3, side, side), randint(10, [images]), device)),
            new("GPT", "gpt", [size.Symbols, size.Positions, size.Width, size.Heads, size.Depth], () => Language(size, toy ? 2 : 4, device)),
        ];
        using (PyTorchPeer? peer = PyTorch(device, output))
        {
            output.WriteLine($"{"network",-10} {"by",-8} {"parameters",12} {"gradient ms",16} {"fresh HVP",14} {"kept-graph HVP",16} {"fresh GGN",14} {"kept-graph GGN",16} {"difference",11}   (medians; spread = interquartile range / median; products in gradients of the same side)");
            foreach (Candidate candidate in workloads)
            {
                Attempt(candidate.Name, output, () => Products(candidate, peer, options.Quick, toy, output), isRequired: toy);
            }
        }

        output.WriteLine();
        output.WriteLine($"{"m",5} {"d",12} {"storage",8} {"window MiB",11} {"copy GB/s",10} {"step ms",16} {"step / 2 reads",15}");
        foreach (ScalarType storage in (ScalarType[])[ScalarType.Float32, ScalarType.BFloat16])
        {
            Attempt($"M-FAC {storage}", output, () => Window(rows, d, storage, device, options.Quick, output));
        }

        output.WriteLine();
        output.WriteLine($"{"network",-10} {"optimizer",-12} {"step",16}   (AdamW: ms; others: AdamW steps; the mean over whole update intervals)");
        foreach (Candidate candidate in workloads)
        {
            Attempt(candidate.Name, output, () => Optimizers(candidate.Make(), options.Quick, output));
        }
    }

    private static Workload Language(GptSize size, long batch, Device device)
    {
        Tensor tokens = randint(size.Symbols, [batch, size.Positions + 1]);
        return Make("GPT", new Gpt(size), tokens.narrow(1, 0, size.Positions).contiguous(), tokens.narrow(1, 1, size.Positions).contiguous(), device);
    }

    private static Workload Make(string name, nn.Module<Tensor, Tensor> model, Tensor inputs, Tensor targets, Device device) =>
        new(name, model.to(device), inputs.to(device), targets.to(device), batches: 1);

    /// <summary>PyTorch on the same device; null, and the reason on the output, where there is none.</summary>
    private static PyTorchPeer? PyTorch(Device device, TextWriter output)
    {
        PyTorchPeer? peer = PyTorchPeer.Start(out string reason);
        try
        {
            peer?.SetThreads(get_num_threads());
            peer?.SetDevice(device.ToString());
        }
        catch (CurvatureException error)
        {
            peer!.Dispose();
            (peer, reason) = (null, $"{error.Message} (the variable PYTHON names another interpreter)");
        }

        output.WriteLine(peer is null ? $"PyTorch: skipped: {reason}" : $"PyTorch {peer.Version}");
        return peer;
    }

    /// <summary>In turns here and there. One kind of kept graph at a time: that of the GPT takes much of a device's memory. What PyTorch has no memory for is left out of its row; of toy sizes it has to do all.</summary>
    private static void Products(Candidate candidate, PyTorchPeer? peer, bool quick, bool toy, TextWriter output)
    {
        Workload workload = candidate.Make();
        Tensor v = randn(workload.Objective.Parameters.Count).to(workload.Objective.Parameters.Device);
        double difference = 0;
        bool isThere = peer is not null && Can(() => peer.Load(candidate.There, candidate.Sizes, workload, v));

        bool Can(Action there)
        {
            try
            {
                there();
                return true;
            }
            catch (CurvatureException error) when (!toy)
            {
                output.WriteLine($"{candidate.Name}: {error.Message.Split('\n')[0]}");
                return false;
            }
        }

        // Of each side the seconds of its gradient, and its product in them.
        Side[] Compare(string matrix, bool keep)
        {
            using CurvatureOperator a = KnownOperators.Create(matrix, workload.Objective, new CurvatureOptions { GraphMemory = keep ? null : 0 });
            Func<double>[] here = [Of(v, () => workload.Objective.Gradient().Dispose()), Of(v, () => a.Apply(v).Dispose())], there = [];
            if (isThere)
            {
                Func<double>[] both = [peer!.Gradient, () => keep ? peer.Product(matrix) : peer.Fresh(matrix)];
                Array.ForEach(here, action => action()); // takes its memory first, as in turns
                there = Can(() => Array.ForEach(both, action => action())) ? both : [];
            }

            Timing[] timings = Timing.Interleaved(quick, [.. here, .. there]);
            if (there.Length > 0)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor last = peer!.Last();
                difference = Math.Max(difference, ((a.Apply(v).cpu() - last).norm() / last.norm()).ToDouble()); // NaN where one of them is
            }

            if (isThere)
            {
                peer!.Forget();
            }

            return [.. timings.Chunk(2).Select(pair => new Side(pair[0], pair[1].In(pair[0])))];
        }

        Side[][] all = [Compare("hessian", keep: false), Compare("hessian", keep: true), Compare("ggn", keep: false), Compare("ggn", keep: true)];
        for (int i = 0; i < all.Max(sides => sides.Length); i++)
        {
            Timing gradient = all.First(sides => sides.Length > i)[i].Gradient;
            string[] products = [.. all.Select(sides => sides.ElementAtOrDefault(i)?.Product ?? "-")];
            output.WriteLine(
                $"{workload.Name,-10} {(i == 0 ? "here" : "PyTorch"),-8} {v.numel(),12:N0} {$"{gradient.Median * 1e3:F1} ({gradient.Spread:P0})",16} {products[0],14} {products[1],16} {products[2],14} {products[3],16} {(i == 0 ? "" : $"{difference:E1}"),11}");
        }

        if (toy && !(difference <= MostDifference))
        {
            throw new InvalidOperationException($"The products of PyTorch's {candidate.There} are others: they differ by {difference:E1} of their norm.");
        }
    }

    /// <summary>As many gradients as fit in float32 with what a measurement takes beside them.</summary>
    private static long Rows(long d, Device device)
    {
        using Tensor number = zeros(1, device: device);
        double free = ProductBudget.FreeBytes(new ParameterSpace([("number", number)]));
        return ((long[])[1024, 512, 256, 128]).FirstOrDefault(m => 2.5 * m * d * sizeof(float) < free, 64);
    }

    /// <summary>A step reads the window twice; what a copy of it moves in a second, read and written, says how long that takes at the best.</summary>
    private static void Window(long m, long d, ScalarType storage, Device device, bool quick, TextWriter output)
    {
        using IDisposable noGrad = no_grad();
        Tensor x = randn(d).to(device);
        using MfacWindow window = new(m, d, ScalarType.Float32, device, new MfacWindowOptions { Storage = storage });
        using (DisposeScope filling = NewDisposeScope())
        {
            window.LoadStateDict(new Dictionary<string, Tensor>
            {
                ["window"] = empty([m, d], storage, device).normal_(),
                ["gram"] = eye(m, dtype: ScalarType.Float64).mul(d),
                ["factor"] = zeros(m, m, ScalarType.Float64),
                ["insertions"] = tensor(m),
            });
        }

        Tensor half = window.StateDict()["window"].narrow(0, 0, m / 4), other = empty([m / 4, d], storage, device);
        Timing[] times = Timing.Interleaved(quick, Of(x, () => other.copy_(half)), Of(x, () => window.Step(x).Dispose()));
        double bytes = (double)m * d * storage.ElementSize(), speed = 2 * bytes / 4 / times[0].Median;
        output.WriteLine(
            $"{m,5} {d,12:N0} {(storage == ScalarType.BFloat16 ? "bf16" : "float32"),8} {bytes / (1 << 20),11:F0} {speed / 1e9,10:F0} {$"{times[1].Median * 1e3:F2} ({times[1].Spread:P0})",16} {times[1].Median / (2 * bytes / speed),15:F2}");
    }

    private static void Optimizers(Workload workload, bool quick, TextWriter output)
    {
        const double Rate = 1e-7; // so small that the networks stay what they are
        Parameter[] parameters = [.. workload.Model.parameters()];
        (Tensor x, Tensor y) = (workload.Batch.Inputs, workload.Batch.Targets);
        Tensor number = parameters[0].detach();
        Tensor Value() => Loss.Value(workload.Model.call(x), y);
        void Each(int steps, Action step)
        {
            for (int i = 0; i < steps; i++)
            {
                using DisposeScope scope = NewDisposeScope();
                step();
            }
        }

        using AdamW adamW = optim.AdamW(parameters, Rate);
        Func<double> plain = Of(number, () => Each(1, () =>
        {
            adamW.zero_grad();
            Value().backward();
            adamW.step();
        }));
        (string Name, int Steps, Func<ICurvatureOptimizer> Make)[] others =
        [
            ("AdaHessian", 1, () => new AdaHessian(parameters, new AdaHessianOptions { LearningRate = Rate })),
            ("Sophia-G", 10, () => new SophiaG(parameters, new SophiaOptions { LearningRate = Rate })),
            ("Sophia-H", 10, () => new SophiaH(parameters, new SophiaOptions { LearningRate = Rate })),
            ("KFAC", 10, () => new KfacOptimizer(workload.Model, new KfacOptimizerOptions { LearningRate = Rate }, new KfacSettings { InverseInterval = 10, LargestBlock = 4096 })),
            ("MKOR", 10, () => new MkorOptimizer(workload.Model, new MkorOptimizerOptions { LearningRate = Rate })),
        ];
        bool first = true;
        foreach ((string name, int steps, Func<ICurvatureOptimizer> make) in others)
        {
            Attempt($"{workload.Name} {name}", output, () =>
            {
                ICurvatureOptimizer optimizer = make();
                using (optimizer as IDisposable)
                {
                    Timing[] timings = Timing.Interleaved(quick, plain, Of(number, () => Each(steps, () => optimizer.Step(() => workload.Model.call(x), y, Loss))));
                    if (first)
                    {
                        output.WriteLine($"{workload.Name,-10} {"AdamW",-12} {$"{timings[0].Median * 1e3:F1} ({timings[0].Spread:P0})",16}");
                        first = false;
                    }

                    output.WriteLine($"{workload.Name,-10} {name,-12} {timings[1].In(timings[0], steps),16}");
                }
            });
        }
    }

    private sealed record Side(Timing Gradient, string Product);

    /// <summary>The action and what it left to the device: reading a number from there waits for all that was asked before.</summary>
    private static Func<double> Of(Tensor there, Action action) => Timing.Of(() =>
    {
        action();
        using DisposeScope scope = NewDisposeScope();
        _ = there.reshape(-1)[0].ToDouble();
    });

    /// <summary>What does not fit, or is not for this network, is told in its line; the others go on. Where it is required it ends the run: a check that is not made has not passed.</summary>
    private static void Attempt(string name, TextWriter output, Action measure, bool isRequired = false)
    {
        using DisposeScope scope = NewDisposeScope();
        try
        {
            measure();
        }
        catch (Exception error) when (!isRequired && error is CurvatureException or System.Runtime.InteropServices.ExternalException)
        {
            output.WriteLine($"{name}: {error.Message.Split('\n')[0]}");
        }
    }
}

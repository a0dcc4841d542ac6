using Curvature.Data;
using Curvature.Estimators;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Fixtures;

/// <summary>What <see cref="DeviceProgram"/> measures of decisions about the device's memory, whose allocator keeps what tensors give back.</summary>
internal static class DeviceMemoryProgram
{
    public const string HeldByGeneration = "bytes of kept graphs, after each change of the parameters";
    public const string HeldBesideCache = "bytes of kept graphs beside memory given back, before and after a change of the parameters";
    public const string HeldByKind = "bytes of kept graphs: cut for forms, whole for products, cut again";
    public const string Cost = "bytes of a sample's graph, samples kept, bytes of the device";
    public const string Pages = "pages of an inverse beside memory given back, beside memory in use";
    public const string Contexts = "devices set for the one in use, pages there, devices set for another, pages there, pages on the first again";

    public const string Sharers = "of five processes and four devices those on this one's: cuda:local, cuda of each, cuda:0 of all, the CPU";

    private const int Samples = 512;
    private const long Total = 1L << 33;

    public static void Measure(Dictionary<string, double[]> numbers)
    {
        numbers[Contexts] = AskTwoDevices();
        numbers[Sharers] = [Share("cuda:local", 1), Share("cuda", 5), Share("cuda:0", 5), Share("cpu", 5)];
        TestDevice.Bound(Total);
        numbers[HeldByGeneration] = Generations();
        numbers[HeldBesideCache] = BesideCache();
        numbers[HeldByKind] = Kinds();
        numbers[Cost] = MeasuredCost();
        numbers[Pages] = PagesOfAnInverse();
        TestDevice.Bound(0);
    }

    private static int Share(string name, int processes) => ComputeDevice.Sharers(ComputeDevice.Open(name, processes: processes), 5, devices: 4);

    private static double[] AskTwoDevices()
    {
        TestDevice.Bound(2L << 30);
        int first = Estimate(Here), forHere = TestDevice.Contexts();
        int second = Estimate(new Device(DeviceType.CUDA, 1)), forBoth = TestDevice.Contexts();
        return [forHere, first, forBoth, second, Estimate(Here)];

        static int Estimate(Device device) => MfacMemory.Estimate(300, 1 << 20, ScalarType.Float32, device, new MfacOptions()).Pages; // 1.3 GiB
    }

    private static double[] Generations()
    {
        using DisposeScope scope = NewDisposeScope();
        Objective objective = Perceptron(16);
        using HessianOperator a = new(objective, new CurvatureOptions { GraphMemory = 40 * NativeHeap.MiB });
        return Held(a, objective, 4);
    }

    private static double[] BesideCache()
    {
        using DisposeScope scope = NewDisposeScope();
        Objective objective = Perceptron(16);
        using HessianOperator a = new(objective, new CurvatureOptions { GraphMemory = 40 * NativeHeap.MiB });
        Tensor block = empty([100 * NativeHeap.MiB], device: Here);
        _ = ProductBudget.FreeBytes(objective.Parameters);
        block.Dispose(); // kept by the device's allocator, and more than all graphs take
        return Held(a, objective, 2);
    }

    /// <summary>Bytes of kept graphs at some points, at each but the first after a change of the parameters.</summary>
    private static double[] Held(HessianOperator a, Objective objective, int generations)
    {
        Tensor v = ones(a.Columns, device: Here);
        List<double> held = [];
        long before = TestDevice.Allocated();
        for (int generation = 0; generation < generations; generation++)
        {
            a.Apply(v).Dispose();
            a.Apply(v).Dispose();
            held.Add(TestDevice.Allocated() - before);
            using IDisposable noGrad = no_grad();
            objective.Parameters.Parameters[0].mul_(0.9);
        }

        return [.. held];
    }

    /// <summary>Graphs cut at the layers hold a batch's activations, whole ones its gradient too, which is what takes most here.</summary>
    private static double[] Kinds()
    {
        using DisposeScope scope = NewDisposeScope();
        Objective objective = Perceptron(64, inputs: 512, samples: 64);
        using HessianOperator a = new(objective, new CurvatureOptions { GraphMemory = 40 * NativeHeap.MiB });
        Tensor v = ones([a.Columns, 1], device: Here);
        long before = TestDevice.Allocated();
        List<double> held = [];
        foreach (bool forms in (bool[])[true, false, true])
        {
            for (int pass = 0; pass < 2; pass++)
            {
                if (forms)
                {
                    a.QuadraticForms(v);
                }
                else
                {
                    a.Apply(v).Dispose();
                }
            }

            held.Add(TestDevice.Allocated() - before);
        }

        return [.. held];
    }

    private static double[] MeasuredCost()
    {
        using DisposeScope scope = NewDisposeScope();
        Objective objective = Perceptron(1);
        ProductCost cost = ProductCost.Measure(options => new HessianOperator(objective, options), Samples);
        return [cost.GraphBytes, cost.Kept, Total];
    }

    private static double[] PagesOfAnInverse()
    {
        const long Rows = 64, Length = 1 << 20; // 256 MiB, and 100 MiB of stretches
        TestDevice.Bound(600 * NativeHeap.MiB);
        Tensor block = empty([100 * NativeHeap.MiB], device: Here);
        _ = ProductBudget.FreeBytes(new ParameterSpace([("block", block)]));
        block.Dispose();
        int beside = Estimate();
        block = empty([100 * NativeHeap.MiB], device: Here);
        int inUse = Estimate();
        block.Dispose();
        return [beside, inUse];

        static int Estimate() => MfacMemory.Estimate(Rows, Length, ScalarType.Float32, Here, new MfacOptions()).Pages;
    }

    private static Objective Perceptron(int batches, int inputs = 64, int samples = Samples)
    {
        random.manual_seed(1);
        Sequential model = nn.Sequential(nn.Linear(inputs, 1024), nn.Tanh(), nn.Linear(1024, 10)).to(Here);
        return Objective.Supervised(model, new CrossEntropy(), [.. Enumerable.Range(0, batches).Select(_ => new Batch(randn(samples, inputs).to(Here), randint(10, [samples]).to(Here)))]);
    }
}

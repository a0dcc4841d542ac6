using System.Globalization;
using Curvature.Estimators;
using Xunit;

namespace Curvature.Tests.Core.Estimators;

/// <summary>The numbers of docs/scaling.md that nobody has run are those of its formulas: 7 billion parameters on 64 GPUs, and M-FAC of ResNet-50.</summary>
public sealed class PaperCostTests
{
    private const int Ranks = 64, Layers = 32, Width = 4096, Inner = 11008, Heads = 32, Tokens = 512, Batch = 1;
    private const double P = 7e9, Flops = 4e14, Bandwidth = 2e12, Network = 5e10;

    private static readonly string Page = File.ReadAllText(Repository.File("docs/scaling.md"));

    /// <summary>Activations of a forward pass in half precision: Korthikanti et al. 2022, Reducing Activation Recomputation in Large Transformer Models, eq. 1, without parallelism; in float32, and as much again for the backward pass that is differentiated.</summary>
    private static readonly double GraphBytes = 2 * 2 * Layers * (double)Tokens * Width * (34 + (5.0 * Heads * Tokens / Width));

    private static readonly double Gradient = 6 * P * Tokens / Flops;

    private static readonly JobCost Job = new()
    {
        Plan = new WorkPlan(Samples: 2048, Probes: 64, EigenProducts: 150, Steps: 60, Runs: 1),
        Product = new ProductCost(Graph: Gradient, Product: 2.2 * Gradient) { GraphBytes = GraphBytes },
        Parameters = (long)P,
        Speed = new MachineSpeed(Bandwidth, Network),
        BatchSize = Batch,
        SampleBytes = 16 * Tokens,
        Ranks = Ranks,
    };

    [Fact]
    public void Seconds_of_seven_billion_parameters_on_64_devices_are_those_of_the_formulas()
    {
        double sum = 2.0 * (Ranks - 1) / Ranks * 4 * P / Network, gradient = Gradient * Job.SamplesOfRank;
        AssertRow("a gradient", $"{gradient:f1} s");
        AssertRow("a Hessian product, 3.2 gradients with a fresh graph", $"{3.2 * gradient:f1} s");
        AssertRow("its sum over ranks", $"{sum:f1} s");
        AssertRow("trace, 64 probes", Minutes(Time("trace")));
        AssertRow("density, 60 steps x 1 run", Minutes(Time("density")));
        AssertRow("eigenvalues, 150 products, b = 40", Minutes(Time("eigenvalues")));
        Assert.Equal(Time("density"), (60 * ((3.2 * gradient) + sum)) + (2 * 60 * 60 * 4 * P / Bandwidth), 6);
    }

    [Fact]
    public void Bytes_of_seven_billion_parameters_are_those_of_the_formulas()
    {
        AssertRow("memory: weights and copies", Gigabytes(Memory(Job, "weights and their copies")));
        AssertRow("memory: graph of a sequence of 512 tokens", Gigabytes(Memory(Job, "graphs")));
        AssertRow("memory: trace, 32 vectors", Gigabytes(Memory(Job with { Plan = new WorkPlan(2048, 64, 0, 0, 0) }, "vectors of the trace")));
        AssertRow("memory: density, 66 vectors", Gigabytes(Memory(Job with { Plan = new WorkPlan(2048, 0, 0, 60, 1) }, "vectors of the density")));
        AssertRow("checkpoint of the density, 60 products", Gigabytes((Job with { Plan = new WorkPlan(2048, 0, 0, 60, 1) }).CheckpointBytes));
    }

    [Fact]
    public void Kfac_and_M_fac_of_seven_billion_parameters_and_M_fac_of_ResNet_50_are_those_of_the_formulas()
    {
        static double Squares(double input, double output) => (input * input) + (output * output);
        double factors = Layers * 4 * ((4 * Squares(Width, Width)) + (3 * Squares(Width, Inner)));
        AssertRow("KFAC: factors and inverses", Gigabytes(2 * factors / Ranks));
        AssertRow("KFAC: an update of the factors", $"{(Ranks - 1.0) / Ranks * factors / Network:f1} s");
        AssertRow("M-FAC, 64 gradients", Gigabytes(64 * 4 * P / Ranks));
        AssertRow("M-FAC, 1,024 gradients", Gigabytes(1024 * 4 * P / Ranks));

        const double Resnet = 25_557_032; // torchvision's resnet50
        double window = 1024 * 4 * Resnet / 8;
        AssertRow("M-FAC of ResNet-50: memory of a rank", Gigabytes(window));
        AssertRow("M-FAC of ResNet-50: two passes over it", $"{2 * window / 20e9:f1} s");
        AssertRow("M-FAC of ResNet-50: numbers that travel", $"{2.0 * 7 / 8 * 4 * ((2 * 1024) + Resnet) / 1.25e9 * 1e3:f0} ms");
    }

    private static double Time(string part) => Job.Time.Single(entry => entry.Name == part).Amount;

    private static double Memory(JobCost job, string part) => job.Memory.Single(entry => entry.Name == part).Amount;

    private static string Minutes(double seconds) => FormattableString.Invariant($"{seconds / 60:f1} min");

    private static string Gigabytes(double bytes) => bytes >= 1e12 ? FormattableString.Invariant($"{bytes / 1e12:f1} TB") : FormattableString.Invariant($"{bytes / 1e9:f1} GB");

    private static void AssertRow(string name, FormattableString number) => AssertRow(name, number.ToString(CultureInfo.InvariantCulture));

    private static void AssertRow(string name, string number) => Assert.Contains($"| {name} | {number} |", Page, StringComparison.Ordinal);
}

using System.Diagnostics;
using System.Globalization;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

/// <summary>What a short measurement of products sees of their graphs.</summary>
public class ProductCostTests
{
    private const int Width = 256, Samples = 2048;

    [Fact]
    public void Graphs_take_memory_also_where_freed_memory_is_kept_for_them()
    {
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [typeof(ProductCostTests).Assembly.Location, "product-cost"]) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        double share = double.Parse(output, CultureInfo.InvariantCulture);
        Assert.InRange(share, 1e-6, 0.6); // of the free memory, of which graphs may have half
    }

    /// <summary>The program of the process: the share of the free memory that the graphs would take which are said to fit, where they lie in what was freed before.</summary>
    internal static int Run()
    {
        set_num_threads(1);
        FreedMemory.Keep();
        using DisposeScope scope = NewDisposeScope();
        using Sequential model = nn.Sequential(
            ("a", nn.Linear(Width, Width)), ("b", nn.Tanh()), ("c", nn.Linear(Width, Width)), ("d", nn.Tanh()), ("e", nn.Linear(Width, Width)), ("f", nn.Tanh()), ("g", nn.Linear(Width, 1)));
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(randn(Samples, Width), zeros(Samples, 1))]);
        ProductCost cost = default;
        for (int checkpoint = 0; checkpoint < 2; checkpoint++) // the second of a series
        {
            cost = ProductCost.Measure(options => new HessianOperator(objective, options), Samples);
        }

        Console.WriteLine((cost.Kept * cost.GraphBytes / ProductBudget.FreeBytes(objective.Parameters)).ToString(CultureInfo.InvariantCulture));
        return 0;
    }
}

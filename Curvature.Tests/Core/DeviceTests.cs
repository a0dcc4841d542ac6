using System.Diagnostics;
using System.Text.Json;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Distributed;
using Curvature.Tests.Fixtures;
using Curvature.Tests.Reference;
using Xunit;

namespace Curvature.Tests.Core;

/// <summary>
/// What every change must hold on a device that is not the CPU, in a process of its own with the pretended one: the numbers, no operator over tensors of two devices, and how often inner loops wait for it. The whole
/// battery runs there by <c>eng/test-device.sh pretended</c>.
/// </summary>
[Trait("Engine", "StandIn")]
public sealed class DeviceTests(DeviceTests.Child child) : IClassFixture<DeviceTests.Child>
{
    [DeviceFact]
    public void Estimators_and_solvers_give_the_numbers_of_the_CPU()
    {
        foreach ((string name, double[] expected) in RankBattery.MeasureEstimators(OneRank.Instance, null))
        {
            Assert.True(RankBattery.Difference(expected, child.Findings.Numbers[name]) <= RankBattery.Tolerance(name), name);
        }
    }

    [DeviceFact]
    public void A_job_that_was_killed_goes_on_to_the_same_bytes_whatever_is_free_of_the_device_by_then()
    {
        Dictionary<string, string> texts = child.Findings.Texts;
        Assert.Contains("of an earlier run", texts[DeviceJobProgram.Said], StringComparison.Ordinal);
        Assert.Contains("'s memory are free.", texts[DeviceJobProgram.Said], StringComparison.Ordinal);
        Assert.Equal(texts[DeviceJobProgram.Whole], texts[DeviceJobProgram.Resumed]);
    }

    [DeviceFact]
    public void The_host_waits_once_a_product_for_its_check_and_not_for_the_parameters()
    {
        foreach (string matrix in KnownOperators.Names)
        {
            foreach ((string what, double waits) in Waits($"product: {matrix},"))
            {
                // Differences: two gradients of two batches, each with a loss that is looked at, and the check.
                Assert.True(waits <= (matrix.StartsWith("finite", StringComparison.Ordinal) ? 5 : 1), $"{what}: {waits} ({child.Findings.Kinds[what]})");
            }
        }
    }

    [DeviceFact]
    public void Quadratic_forms_wait_for_their_check_and_their_numbers()
    {
        foreach ((string what, double waits) in Waits("form: hessian,"))
        {
            Assert.True(waits <= 2, $"{what}: {waits} ({child.Findings.Kinds[what]})");
        }
    }

    [DeviceFact]
    public void Products_and_forms_of_graphs_that_are_cut_wait_as_often_as_of_whole_ones_and_once_more_when_graphs_are_used_again()
    {
        Assert.NotEmpty(Waits("cut anew"));
        foreach ((string what, double waits) in Waits("cut anew"))
        {
            int again = what.Contains("products", StringComparison.Ordinal) ? 1 : 0;
            Assert.True(waits <= again + child.Findings.Waits[what.Replace("cut", "whole", StringComparison.Ordinal)], $"{what}: {waits} ({child.Findings.Kinds[what]})");
        }
    }

    [DeviceTheory]
    [InlineData("iteration: cg", 2)]
    [InlineData("iteration: minres", 2)]
    [InlineData("iteration: lsmr", 1)]
    [InlineData("iteration: neumann", 1)]
    [InlineData("product of eigenpairs: lanczos", 1.1)]
    [InlineData("product of a trace: hutchinson", 0.2)]
    [InlineData("product of a density", 0.5)]
    [InlineData("step: adahessian", 1)]
    [InlineData("step: sophia-h", 1)]
    [InlineData("step: sophia-g", 1)]
    [InlineData("step: kfac", 1.5)]
    [InlineData("step: ekfac", 2)]
    [InlineData("step: mkor", 3)]
    [InlineData("step: mfac", 3)]
    public void Beside_its_products_an_inner_loop_waits_no_more_than_is_told(string loop, double most)
    {
        KeyValuePair<string, double> found = Assert.Single(Waits(loop), wait => wait.Key == loop);
        Assert.True(found.Value <= most, $"{found.Value} ({child.Findings.Kinds[loop]})");
    }

    [DeviceFact]
    public void Over_ranks_a_product_waits_once_more_for_whether_all_ranks_have_made_theirs()
    {
        Assert.Equal(KnownOperators.Names.Count, Waits(DeviceRanksProgram.Product).Count());
        foreach ((string what, double waits) in Waits(DeviceRanksProgram.Product))
        {
            Assert.True(waits <= (what.Contains("finite", StringComparison.Ordinal) ? 5 : 2), $"{what}: {waits} ({child.Findings.Kinds[what]})");
        }
    }

    [DeviceTheory]
    [InlineData("adahessian", 3)]
    [InlineData("sophia-h", 3)]
    [InlineData("sophia-g", 3)]
    [InlineData("kfac", 5.5)]
    [InlineData("ekfac", 7)]
    [InlineData("mkor", 3)]
    [InlineData("mfac", 5)]
    public void Over_ranks_a_step_waits_no_more_than_is_told(string optimizer, double most)
    {
        double found = child.Findings.Waits[DeviceRanksProgram.Step + optimizer];
        Assert.True(found <= most, $"{found} ({child.Findings.Kinds[DeviceRanksProgram.Step + optimizer]})");
    }

    [DeviceFact]
    public void Batches_in_main_memory_go_there_without_a_wait() =>
        Assert.Equal(1, Assert.Single(Waits("over five batches")).Value); // the product's check

    [DeviceFact]
    public void Inputs_in_main_memory_that_are_hyperparameters_have_their_derivative()
    {
        double[] expected = DeviceProgram.InAnInput(TorchSharp.torch.CPU);
        Assert.All(expected, value => Assert.NotEqual(0, value));
        Assert.Equal(expected, child.Findings.Numbers[DeviceProgram.MixedProduct], (a, b) => Math.Abs(a - b) < 1e-12);
    }

    [DeviceFact]
    public void Graphs_kept_anew_after_each_change_of_the_parameters_take_no_more_than_the_first()
    {
        double[] held = child.Findings.Numbers[DeviceMemoryProgram.HeldByGeneration];
        Assert.InRange(held[0], 20 * NativeHeap.MiB, 48 * NativeHeap.MiB);
        Assert.All(held.Skip(1), bytes => Assert.Equal(held[0], bytes, NativeHeap.MiB)); // some vectors of the parameters beside the graphs; what is looked for is a second budget's worth
    }

    [DeviceFact]
    public void A_budget_for_graphs_holds_beside_memory_that_the_allocator_keeps_of_tensors_that_are_gone()
    {
        double[] held = child.Findings.Numbers[DeviceMemoryProgram.HeldBesideCache];
        Assert.All(held, bytes => Assert.InRange(bytes, 20 * NativeHeap.MiB, 48 * NativeHeap.MiB));
    }

    [DeviceFact]
    public void A_budget_for_graphs_holds_for_each_kind_of_graph_that_follows_another()
    {
        double[] held = child.Findings.Numbers[DeviceMemoryProgram.HeldByKind];
        Assert.All(held, bytes => Assert.InRange(bytes, 20 * NativeHeap.MiB, 48 * NativeHeap.MiB));
    }

    [DeviceFact]
    public void The_bytes_of_a_graph_are_seen_whatever_libtorch_keeps_of_tensors_that_are_gone()
    {
        double[] found = child.Findings.Numbers[DeviceMemoryProgram.Cost];
        Assert.InRange(found[0], 4 * 1024, 1 << 20); // a sample has 1024 hidden values of 4 bytes
        Assert.InRange(found[1], 1, found[2] / found[0]);
    }

    [DeviceFact]
    public void An_inverse_that_fits_beside_what_is_in_use_is_not_split_into_pages()
    {
        double[] pages = child.Findings.Numbers[DeviceMemoryProgram.Pages];
        Assert.Equal(1, pages[0]);
        Assert.InRange(pages[1], 2, 64);
    }

    [DeviceFact]
    public void Processes_share_the_memory_of_a_device_with_those_that_are_on_it_alone() =>
        Assert.Equal([2, 2, 5, 5], child.Findings.Numbers[DeviceMemoryProgram.Sharers]);

    [DeviceFact]
    public void Asking_one_device_for_its_memory_makes_no_context_on_another()
    {
        double[] found = child.Findings.Numbers[DeviceMemoryProgram.Contexts];
        Assert.Equal([0, 1, 1 << 1], found[..3]); // devices set for the one in use, pages there, devices set for another
        Assert.InRange(found[3], 2, 10); // pages on the other, which is half as large
        Assert.Equal(1, found[4]); // pages on the one in use, again
    }

    private IEnumerable<KeyValuePair<string, double>> Waits(string what) => child.Findings.Waits.Where(wait => wait.Key.Contains(what, StringComparison.Ordinal));

    /// <summary>The library, built where it is not up to date, and the process that measures.</summary>
    public sealed class Child
    {
        private readonly Lazy<DeviceProgram.Findings> _findings = new(Measure);

        internal DeviceProgram.Findings Findings => _findings.Value;

        private static DeviceProgram.Findings Measure()
        {
            string build = Path.Combine(AppContext.BaseDirectory, "pretended-cuda");
            Run("cmake", ["-S", Repository.File("Curvature.Tests/Fixtures/device"), "-B", build, "-DCMAKE_BUILD_TYPE=Release"], null);
            Run("cmake", ["--build", build], null);
            using TemporaryFolder folder = new();
            string file = folder.File("findings.json");
            Run("dotnet", [typeof(DeviceTests).Assembly.Location, "device", file], Path.Combine(build, "libcudart_pretended.so"));
            return JsonSerializer.Deserialize<DeviceProgram.Findings>(File.ReadAllText(file))!;
        }

        private static void Run(string program, string[] arguments, string? library)
        {
            ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
            start.Environment["OMP_NUM_THREADS"] = "1";
            start.Environment["CURVATURE_TEST_DEVICE"] = "cuda";
            start.Environment["CURVATURE_PRETENDED_CUDA"] = library ?? "";
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {output.Result}{error.Result}");
        }
    }
}

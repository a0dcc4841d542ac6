using Curvature.Estimators;
using Xunit;

namespace Curvature.Tests.Core.Estimators;

public sealed class JobCostTests
{
    private static readonly JobCost Job = new()
    {
        Plan = new WorkPlan(Samples: 1000, Probes: 64, EigenProducts: 100, Steps: 50, Runs: 4),
        Product = new ProductCost(Graph: 1e-3, Product: 2e-3, Kept: 0) { GraphBytes = 1e5 },
        Parameters = 1_000_000,
        Speed = new MachineSpeed(VectorBytes: 1e10, RankBytes: 1e9),
        BatchSize = 100,
        SampleBytes = 400,
    };

    [Fact]
    public void Time_on_one_rank_is_that_of_the_passes_and_of_the_vectors()
    {
        double[] expected =
        [
            (8 * 1.0) + (64 * 2.0),                                                // 8 graph passes of 1 s, 64 products of 2 s
            (50 * 1.0) + (200 * 2.0) + (2.0 * 50 * 50 * 4 * 4e6 / 1e10),           // and two orthogonalisations of 4 runs
            (100 * 3.0) + (6.0 * 40 * 100 * 4e6 / 1e10),
        ];
        Assert.Equal(["trace", "density", "eigenvalues"], Job.Time.Select(part => part.Name));
        Assert.All(Job.Time.Zip(expected), pair => Assert.Equal(pair.Second, pair.First.Amount, 9));
        Assert.Equal(expected.Sum(), Job.Seconds, 9);
    }

    [Fact]
    public void A_trace_by_quadratic_forms_costs_what_they_do_sums_nothing_over_ranks_and_leaves_a_checkpoint_to_the_rest()
    {
        JobCost forms = Job with { TraceByForms = true, Product = Job.Product with { Form = 1.5e-3 } };
        Assert.Equal((8 * 1.0) + (64 * 1.5), forms.Time[0].Amount, 9);
        Assert.Equal((8 * 0.5) + (64 * 0.75), (forms with { Ranks = 2 }).Time[0].Amount, 9);
        Assert.Equal(forms.Time[0], (forms with { SecondsBeside = 1 }).Time[0]); // nothing of P numbers is written
        Assert.Equal(Job.Time.Skip(1), forms.Time.Skip(1));
        Assert.Equal(((364 - 64) * 4e6) + (64 * (8 + 11)), forms.CheckpointBytes);
        Assert.Equal(64 * (80 + 11), (forms with { Tensors = 10 }).CheckpointBytes - ((364 - 64) * 4e6));
        Assert.Equal(forms.Time[0].Amount, Job.Plan.TraceSeconds(forms.Product, 64), 9);
        Assert.Equal(Job.Time[0], (Job with { TraceByForms = true }).Time[0]); // made of products
        Assert.Equal(Job.Time[0], (Job with { TraceByForms = true, SecondsBeside = 1 }).Time[0]); // and written as the numbers that forms are
    }

    [Fact]
    public void A_form_is_what_a_pass_takes_beside_its_graph_of_whichever_kind()
    {
        ProductCost cost = new(Graph: 1e-2, Product: 2e-2);
        Assert.Equal(1.2e-2, cost.WithForms(one: 2.2, several: 4.6, columns: 3, samples: 100).Form!.Value, 12);
        Assert.Equal(0.5e-2, cost.WithForms(one: 2.2, several: 1.0, columns: 3, samples: 100).Form!.Value, 12); // a disturbed timing
        Assert.Equal(2e-2, cost.WithForms(one: 0.1, several: 6.0, columns: 3, samples: 100).Form!.Value, 12); // the other was
        Assert.Equal(2.4e-2, cost.WithForms(one: 2.2, several: 4.6, columns: 3, samples: 100).Scaled(2).Form!.Value, 12);
        Assert.Null(cost.Scaled(2).Form);
    }

    [Fact]
    public void What_can_be_left_out_is_no_part_of_the_least_and_products_of_blocks_are_as_long_as_those_of_the_whole_together()
    {
        JobCost probes = Job with { Plan = Job.Plan with { EigenProducts = 0, Steps = 0, Runs = 0 } }, squares = probes with { ProbeVectors = 16 };
        Assert.Equal(16 * 4e6, squares.Bytes - probes.Bytes);
        Assert.Equal(probes.LeastBytes, squares.LeastBytes);

        JobCost blocks = Job with { Repeats = 51 };
        Assert.Equal(2 * Job.CheckpointBytes, (blocks with { RepeatsOnDisk = 2 }).CheckpointBytes);
        Assert.Equal(51 * Job.CheckpointBytes, blocks.CheckpointBytes);
        Assert.Equal(0, (Job with { RepeatsOnDisk = 0 }).CheckpointBytes); // nothing is kept of an exact answer
    }

    [Fact]
    public void Parts_that_are_not_planned_take_no_time()
    {
        JobCost job = Job with { Product = Job.Product with { Kept = 1000 }, Plan = Job.Plan with { EigenProducts = 0, Steps = 0, Runs = 0 } };
        Assert.Equal(["trace"], job.Time.Select(part => part.Name));
    }

    [Theory]
    [InlineData(3.0, 7.0, 1e-2, 2e-2)] // a graph of 1 s and products of 2 s, over 100 samples
    [InlineData(3.0, 2.0, 2.25e-2, 0.75e-2)] // one pass was disturbed, so that products seem to cost less than nothing
    [InlineData(1.0, 30.0, 0, 10e-2)] // the other was
    [InlineData(0.0, 0.0, 0, 0)]
    public void A_disturbed_timing_makes_no_product_free(double one, double several, double graph, double product)
    {
        var cost = ProductCost.Of(one, several, columns: 3, samples: 100);
        Assert.Equal(graph, cost.Graph, 12);
        Assert.Equal(product, cost.Product, 12);
    }

    [Theory]
    [InlineData(2, 500)]
    [InlineData(4, 300)]
    [InlineData(10, 100)]
    [InlineData(64, 100)]
    public void Ranks_divide_batches_and_add_a_sum_for_each_product(int ranks, long samples)
    {
        JobCost job = Job with { Ranks = ranks, Plan = Job.Plan with { EigenProducts = 0, Steps = 0, Runs = 0 } };
        Assert.Equal(samples, job.SamplesOfRank);
        Assert.Equal((8 * 1e-3 * samples) + (64 * 2e-3 * samples) + (64 * 2.0 * (ranks - 1) / ranks * 4e6 / 1e9), job.Seconds, 9);
    }

    [Fact]
    public void Memory_is_that_of_the_hungriest_part()
    {
        Assert.Equal(4 * 4e6, Amount(Job, "weights and their copies"));
        Assert.Equal(4e5, Amount(Job, "data"));
        Assert.Equal(400.0 * (Job with { Ranks = 3 }).SamplesOfRank, Amount(Job with { Ranks = 3 }, "data")); // each reads its own
        Assert.Equal(100 * 1e5, Amount(Job, "graphs"));
        Assert.Equal(4 * 56 * 4e6, Amount(Job, "vectors of the density"));
        Assert.Equal(1.6e7 + 4e5 + 1e7 + 8.96e8, Job.Bytes);
        Assert.Equal(32 * 4e6, Amount(Job with { Plan = Job.Plan with { EigenProducts = 0, Steps = 0, Runs = 0 } }, "vectors of the trace"));
        JobCost kept = Job with { Product = Job.Product with { Kept = 700 } };
        Assert.Equal(700 * 1e5, Amount(kept, "graphs"));
        Assert.Equal(Job.Bytes, kept.LeastBytes);
        Assert.Equal(364 * 4e6, Job.CheckpointBytes);
    }

    [Fact]
    public void Ranks_are_named_that_make_a_job_fit_unless_what_each_does_alone_takes_longer()
    {
        JobCost trace = Job with { Plan = Job.Plan with { EigenProducts = 0, Steps = 0, Runs = 0 } };
        Assert.Equal(4, trace.RanksFor(60));
        Assert.Null(Job.RanksFor(1));
    }

    private static double Amount(JobCost job, string part) => job.Memory.Single(entry => entry.Name == part).Amount;
}

using System.Globalization;
using Curvature.Quant.Planning;
using Xunit;

namespace Curvature.Tests.Quant.Planning;

public class ExactPlannerTests
{
    private static readonly int[][] Widths = [[2, 4, 6, 8], [4, 8], [2, 3, 4], [8, 4, 2, 16]];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Equals_brute_force_under_one_two_and_three_limits(int seed)
    {
        var random = new Random(seed);
        int feasible = 0;
        for (int instance = 0; instance < 100; instance++)
        {
            LayerTable table = Tables.Random(random, instance % 10 == 0 ? 8 : random.Next(1, 8), Widths[random.Next(Widths.Length)], random.Next(4), instance % 3 == 0);
            var problem = new PlanningProblem(table);
            Tables.Candidate[] all = [.. Tables.All(table)];
            Assert.Equal(all.Length, problem.Plans);
            PlanCost[] kinds = [.. new[] { PlanCost.Size, PlanCost.Bops, PlanCost.Latency }.OrderBy(_ => random.Next()).Take(1 + (instance % 3))];
            Limit[] limits = [.. kinds.Select(kind => Within(random, all, kind))];
            Tables.Candidate[] within = [.. all.Where(plan => limits.All(limit => Keeps(problem, plan.Cost(limit.Cost), limit)))];
            if (within.Length == 0)
            {
                Assert.Throws<InfeasibleLimitException>(() => new ExactPlanner().Plan(problem, limits));
                continue;
            }

            feasible++;
            BitPlan exact = new ExactPlanner().Plan(problem, limits);
            Assert.All(limits, limit => Assert.True(Keeps(problem, exact.Cost(limit.Cost)!.Value, limit)));
            Assert.Equal(within.Min(plan => plan.Objective), exact.Objective, 1e-12 * (1 + Math.Abs(exact.Objective)));
        }

        Assert.InRange(feasible, 60, 100); // limits are neither all loose nor all out of reach
    }

    [Fact]
    public void Sensitivities_in_proportion_to_costs_are_a_subset_sum_and_still_exact()
    {
        var random = new Random(5);
        for (int instance = 0; instance < 30; instance++)
        {
            LayerTable table = new()
            {
                Bits = [2, 4, 8],
                Layers = [.. Enumerable.Range(0, 7).Select(i => random.Next(1, 400)).Select((n, i) => Tables.Layer($"l{i}", n, (2, 6.0 * n), (4, 4.0 * n), (8, 0)))],
            };
            Tables.Candidate[] all = [.. Tables.All(table)];
            var limit = Limit.Interpolate(PlanCost.Size, (decimal)random.NextDouble());
            var problem = new PlanningProblem(table);
            Assert.Equal(all.Where(plan => Keeps(problem, plan.Cost(limit.Cost), limit)).Min(plan => plan.Objective), new ExactPlanner().Plan(problem, [limit]).Objective);
        }
    }

    [Fact]
    public void Layers_that_are_all_alike_do_not_multiply_the_work()
    {
        LayerTable table = new()
        {
            Bits = [2, 4, 8],
            Layers = [.. Enumerable.Range(0, 200).Select(i => Tables.Layer($"l{i}", 1000, (2, 0.3), (4, 0.1), (8, 0.01)) with { Macs = 7, LatencyMs = new Dictionary<int, double> { [2] = 0.1, [4] = 0.2, [8] = 0.4 } })],
        };
        var problem = new PlanningProblem(table);
        BitPlan plan = new ExactPlanner().Plan(problem, [Limit.AverageBits(3), Limit.AtMost(PlanCost.Latency, 40)]);
        Assert.Equal(100, plan.Bits.Count(bits => bits == 4)); // 100 layers at 2 and 100 at 4: 40 units of objective
        Assert.Equal(40, plan.Objective, 1e-9);
        Assert.InRange(ParetoFrontier.Of(problem, PlanCost.Latency).Count, 401, 450); // 601 sums, of which 200 are beaten, and what rounding makes of them
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Two_hundred_layers_with_four_choices_take_less_than_two_seconds(int limits)
    {
        LayerTable table = Tables.Random(new Random(7), 200, [2, 3, 4, 8], groups: 40);
        var problem = new PlanningProblem(table);
        Limit[] all = [Limit.AverageBits(3.7m), Limit.Interpolate(PlanCost.Bops, 0.24m), Limit.Interpolate(PlanCost.Latency, 0.27m)];
        TimeSpan before = Environment.CpuUsage.TotalTime; // of this process: others have their own
        BitPlan plan = new ExactPlanner().Plan(problem, all[..limits]);
        Assert.InRange((Environment.CpuUsage.TotalTime - before).TotalSeconds, 0, 2);
        Assert.All(all[..limits], limit => Assert.True(plan.Cost(limit.Cost) <= limit.MostOf(problem) * (limit.Cost == PlanCost.Latency ? 1 + 1e-12 : 1)));
        if (limits == 1)
        {
            ParetoFrontier frontier = ParetoFrontier.Of(problem, PlanCost.Size);
            Assert.Equal(frontier.Objectives[frontier.Within(all[0].MostOf(problem))], plan.Objective, 1e-12 * plan.Objective);
        }
    }

    [Theory]
    [InlineData("resnet18", "size", "0.75", "8888888888888488884")]
    [InlineData("resnet18", "size", "0.5", "8888888888888884844")]
    [InlineData("resnet18", "size", "0.25", "8888888888888844444")]
    [InlineData("resnet18", "bops", "0.75", "8888888848888484884")]
    [InlineData("resnet18", "bops", "0.5", "8884888848884444444")]
    [InlineData("resnet18", "bops", "0.25", "8884848444444444444")]
    [InlineData("resnet18", "latency", "0.75", "8888888848888484884")]
    [InlineData("resnet18", "latency", "0.5", "8888848848884484844")]
    [InlineData("resnet18", "latency", "0.25", "8884848444444444444")]
    [InlineData("resnet50", "size", "0.75", "8888888888888888888888888888888888888888888488848848")]
    [InlineData("resnet50", "size", "0.5", "8888888888888888888888884888888448888488488488844844")]
    [InlineData("resnet50", "bops", "0.75", "8888888848888888888884884888888448488488488488888888")]
    [InlineData("resnet50", "bops", "0.5", "8888888848848884884484884888448448448448488488848848")]
    [InlineData("resnet50", "bops", "0.25", "8488448844848844444484484884444444444444448488844844")]
    [InlineData("resnet50", "latency", "0.75", "8888888848848888888884884888888488888488488488888888")]
    [InlineData("resnet50", "latency", "0.5", "8888888844848888884884884884448448448448448488848848")]
    [InlineData("resnet50", "latency", "0.25", "8888848844848844444484444844444444444448448488844844")]
    public void Reproduces_the_released_plans_of_HAWQ_V3(string network, string cost, string fraction, string released)
    {
        PlanningProblem problem = new(LayerTable.Read(Repository.File($"data/hawq-v3-{network}.json")));
        BitPlan plan = new ExactPlanner().Plan(problem, [Limit.Parse($"{cost}=interp:{fraction}")]);
        Assert.Equal(released, string.Concat(plan.Bits));
    }

    [Fact]
    public void Improves_the_one_released_plan_of_HAWQ_V3_that_was_not_optimal()
    {
        PlanningProblem problem = new(LayerTable.Read(Repository.File("data/hawq-v3-resnet50.json")));
        const string Released = "8888888888888888888888884888448448448444444484444844";
        BitPlan theirs = problem.Evaluate(problem.Table.Layers.Zip(Released).ToDictionary(pair => pair.First.Name, pair => pair.Second - '0'));
        BitPlan ours = new ExactPlanner().Plan(problem, [Limit.Parse("size=interp:0.25")]);
        Assert.Equal(0.0831, theirs.Objective, 5e-5);
        Assert.Equal(0.0749, ours.Objective, 5e-5);
    }

    [Fact]
    public void Published_sizes_and_bit_operations_of_ResNet18_come_out()
    {
        PlanningProblem problem = new(LayerTable.Read(Repository.File("data/hawq-v3-resnet18.json")));

        // The first convolution (9,408 weights, 118,013,952 multiplications) and the last layer (512,000) are at 8 bits outside of the table.
        const long Outside = 9_408 + 512_000, OutsideMacs = 118_013_952 + 512_000;
        double Mebibytes(BitPlan plan) => (plan.SizeBytes + Outside) / (1 << 20);
        double Gigabops(BitPlan plan) => (plan.Bops!.Value + (64 * OutsideMacs)) / 1e9;
        Assert.Equal((11.1, 116), (Mebibytes(problem.Uniform(8)), Gigabops(problem.Uniform(8))), Near);
        Assert.Equal((5.8, 34), (Mebibytes(problem.Uniform(4)), Gigabops(problem.Uniform(4))), Near);
        foreach ((string limit, double size, double bops) in ((string, double, double)[])
            [("size=interp:0.75", 9.9, double.NaN), ("size=interp:0.5", 7.9, 98), ("size=interp:0.25", 7.3, double.NaN), ("bops=interp:0.5", 6.7, 72)])
        {
            BitPlan plan = new ExactPlanner().Plan(problem, [Limit.Parse(limit)]);
            Assert.Equal((size, bops), (Mebibytes(plan), Gigabops(plan)), Near);
        }

        // Table I of the paper, within what its rounding and its counting of scales leave: 0.25 MiB and 3.1 %.
        static bool Near((double Size, double Bops) published, (double Size, double Bops) ours) =>
            Math.Abs(published.Size - ours.Size) <= 0.25 && !(Math.Abs(published.Bops - ours.Bops) > 0.031 * published.Bops);
    }

    [Fact]
    public void Limits_out_of_reach_are_told_the_feasible_range()
    {
        LayerTable table = new()
        {
            Bits = [4, 8],
            Layers =
            [
                Tables.Layer("a", 1000, (4, 1), (8, 0)) with { LatencyMs = new Dictionary<int, double> { [4] = 5, [8] = 1 } }, // a device that is slow at 4 bits
                Tables.Layer("b", 1000, (4, 1), (8, 0)) with { LatencyMs = new Dictionary<int, double> { [4] = 1, [8] = 2 } },
            ],
        };
        var problem = new PlanningProblem(table);
        string alone = Assert.Throws<InfeasibleLimitException>(() => new ExactPlanner().Plan(problem, [Limit.Parse("size=999B")])).Message;
        Assert.Contains("plans go from 1,000 bytes to 2,000 bytes", alone, StringComparison.Ordinal);
        string together = Assert.Throws<InfeasibleLimitException>(() => new ExactPlanner().Plan(problem, [Limit.Parse("size=1000B"), Limit.Parse("latency=2ms")])).Message;
        Assert.Contains("latency=2ms", together, StringComparison.Ordinal);
        Assert.Contains("beside size=1000B plans go from 6 ms", together, StringComparison.Ordinal);
        Assert.Equal("84", string.Concat(new ExactPlanner().Plan(problem, [Limit.Parse("size=1500B"), Limit.Parse("latency=2ms")]).Bits));
        Assert.Contains("Give one", Assert.Throws<CurvatureException>(() => new ExactPlanner().Plan(problem, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fixed_layers_keep_their_bits_and_count_in_full()
    {
        LayerTable table = new()
        {
            Bits = [4, 8],
            Layers =
            [
                new TableLayer { Name = "first", Parameters = 100, Fixed = 16 }, // no sensitivity: it is not up to anybody
                Tables.Layer("a", 100, (4, 1), (8, 0)) with { Group = "g" },
                Tables.Layer("b", 100, (4, 1), (8, 0)) with { Group = "g", Fixed = 4 },
                Tables.Layer("c", 100, (4, 1), (8, 0)),
            ],
        };
        BitPlan plan = new ExactPlanner().Plan(new PlanningProblem(table), [Limit.AverageBits(8)]);
        Assert.Equal([16, 4, 4, 8], plan.Bits);
        Assert.Equal((3200, 8.0, 2.0), (plan.SizeBits, plan.AverageBits, plan.Objective));
        Assert.Equal([16, 8, 8, 4], new ExactPlanner().Plan(new PlanningProblem(table.Fix([new("b", 8)])), [Limit.AverageBits(9)]).Bits);
    }

    [Fact]
    public void Stops_when_told_to()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        var problem = new PlanningProblem(Tables.Random(new Random(1), 10, [4, 8]));
        Assert.Throws<OperationCanceledException>(() => new ExactPlanner().Plan(problem, [Limit.AverageBits(5)], cancelled.Token));
        Assert.Throws<OperationCanceledException>(() => ParetoFrontier.Of(problem, PlanCost.Size, cancelled.Token));
    }

    /// <summary>A limit among the costs there are; one in five exactly at one, one in twenty below all.</summary>
    private static Limit Within(Random random, Tables.Candidate[] all, PlanCost kind)
    {
        double low = all.Min(plan => plan.Cost(kind)), high = all.Max(plan => plan.Cost(kind));
        double limit = random.Next(20) == 0 ? 0.9 * low
            : random.Next(4) == 0 ? all[random.Next(all.Length)].Cost(kind)
            : low + ((high - low) * random.NextDouble());
        return Limit.AtMost(kind, kind == PlanCost.Size ? Math.Floor((decimal)limit) / 8 : decimal.Parse(limit.ToString("R", CultureInfo.InvariantCulture), NumberStyles.Float, CultureInfo.InvariantCulture));
    }

    private static bool Keeps(PlanningProblem problem, double cost, Limit limit) => cost <= limit.MostOf(problem) * (limit.Cost == PlanCost.Latency ? 1 + 1e-12 : 1);
}

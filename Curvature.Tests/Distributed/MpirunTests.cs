using System.Text.Json;
using Curvature.Objectives;
using Xunit;

namespace Curvature.Tests.Distributed;

/// <summary>The battery under mpirun, beside one process without MPI; and what becomes of the others when a rank fails.</summary>
public sealed class MpirunTests
{
    private static readonly Lazy<Dictionary<string, double[]>> Alone = new(() => RankBattery.Measure(OneRank.Instance));

    private static readonly Lazy<Dictionary<string, double[]>> Trained = new(() => OptimizerBattery.Measure(OneRank.Instance));

    /// <summary>Trained by one process without a pause.</summary>
    private static readonly Lazy<Dictionary<string, (double[] Parameters, byte[] State)>> Straight = new(() => OptimizerBattery.Names.ToDictionary(name => name, name => OptimizerBattery.Continue(OneRank.Instance, name, 0..6)));

    [MpirunFact]
    public void One_rank_under_mpirun_is_one_process() => AssertBattery(1);

    [MpirunFact]
    public void Two_ranks_have_the_answers_of_one_process_and_the_same_bits_when_run_again() => AssertSameBits(AssertBattery(2), Measure(2, "battery"));

    [MpirunFact]
    public void Three_ranks_one_without_data_have_the_answers_of_one_process_and_the_same_bits_when_run_again() => AssertSameBits(AssertBattery(3), Measure(3, "estimators"));

    [MpirunFact]
    public void Four_ranks_have_the_answers_of_one_process()
    {
        Dictionary<string, double[]> got = Measure(4, "estimators");
        AssertNear(Alone.Value.Where(quantity => got.ContainsKey(quantity.Key)).ToDictionary(), got, RankBattery.Tolerance);
    }

    [MpirunFact]
    public void Two_ranks_train_as_one_process_and_to_the_same_bits_when_run_again() => AssertSameBits(AssertTraining(2), Measure(2, "optimizers"));

    [MpirunFact]
    public void Three_ranks_one_without_data_train_as_one_process() => AssertTraining(3);

    [MpirunFact]
    public void What_three_ranks_have_saved_two_and_one_go_on_from()
    {
        using TemporaryFolder folder = new();
        string saved = folder.File("three.json");
        Train(3, "save", saved);
        foreach (int ranks in (int[])[2, 1])
        {
            string file = folder.File($"{ranks}.json");
            Train(ranks, "resume", saved, file);
            Dictionary<string, OptimizerBattery.Saved> resumed = JsonSerializer.Deserialize<Dictionary<string, OptimizerBattery.Saved>>(File.ReadAllText(file))!;
            foreach (string name in OptimizerBattery.Names)
            {
                (double[] parameters, byte[] state) = Straight.Value[name];
                Assert.True(RankBattery.Difference(parameters, resumed[name].Parameters) <= 1e-12, $"{name} on {ranks} ranks");
                Assert.Equal(state.Length, resumed[name].State.Length);
            }
        }

        static void Train(int ranks, params string[] arguments)
        {
            (int exitCode, string output) = Mpirun.Run(ranks, arguments);
            Assert.True(exitCode == 0, output);
        }
    }

    [MpirunFact]
    public void A_rank_that_fails_ends_all_with_its_message()
    {
        (int exitCode, string output) = Mpirun.Run(3, ["fail"]);
        Assert.NotEqual(0, exitCode);
        Assert.Contains("Rank 2 of 3: The file x.npz is damaged.", output, StringComparison.Ordinal);
    }

    [MpirunFact]
    public void A_rank_that_fails_in_a_training_step_ends_all_with_its_message()
    {
        (int exitCode, string output) = Mpirun.Run(2, ["fail-training"]);
        Assert.NotEqual(0, exitCode);
        Assert.Contains("The file x.npz is damaged.", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [MpirunFact]
    public void A_rank_that_is_killed_ends_all()
    {
        (int exitCode, string output) = Mpirun.Run(3, ["kill"]);
        Assert.NotEqual(0, exitCode);
        Assert.Contains("signal 9", output, StringComparison.Ordinal);
    }

    [MpirunFact]
    public void A_library_that_is_none_is_named_with_the_remedy_and_once()
    {
        (int exitCode, string output) = Mpirun.Run(2, ["fail"], library: "libm.so.6");
        Assert.NotEqual(0, exitCode);
        Assert.Equal(2, output.Split("The library loaded for MPI has no MPI_Init_thread. Install it (Debian: apt-get install openmpi-bin libopenmpi3, or mpich)").Length);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    private static Dictionary<string, double[]> AssertBattery(int ranks)
    {
        Dictionary<string, double[]> got = Measure(ranks, "battery");
        AssertNear(Alone.Value, got, RankBattery.Tolerance);
        return got;
    }

    private static Dictionary<string, double[]> AssertTraining(int ranks)
    {
        Dictionary<string, double[]> got = Measure(ranks, "optimizers");
        AssertNear(Trained.Value, got, OptimizerBattery.Tolerance);
        return got;
    }

    private static void AssertSameBits(Dictionary<string, double[]> first, Dictionary<string, double[]> again) => Assert.All(again, quantity => Assert.Equal(first[quantity.Key], quantity.Value));

    private static void AssertNear(Dictionary<string, double[]> expected, Dictionary<string, double[]> got, Func<string, double> tolerance)
    {
        Assert.Equal(expected.Keys, got.Keys);
        Assert.All(got, quantity =>
        {
            double difference = RankBattery.Difference(expected[quantity.Key], quantity.Value);
            Assert.True(difference <= tolerance(quantity.Key), $"{quantity.Key}: {difference:g3}");
        });
    }

    private static Dictionary<string, double[]> Measure(int ranks, string what)
    {
        using TemporaryFolder folder = new();
        (int exitCode, string output) = Mpirun.Run(ranks, [what, folder.File("numbers.json")]);
        Assert.True(exitCode == 0, output);
        return JsonSerializer.Deserialize<Dictionary<string, double[]>>(File.ReadAllText(folder.File("numbers.json")))!;
    }
}

using Curvature.MatrixFree;
using Curvature.Tests.Distributed;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.MatrixFree;

/// <summary>A sliding window that ranks hold together, beside one that a process holds alone.</summary>
public sealed class DividedMfacWindowTests
{
    private const long Capacity = 5, Parameters = 23;

    public static TheoryData<ScalarType, ScalarType?, bool, MfacDivisor> Kinds => new()
    {
        { ScalarType.Float64, null, false, MfacDivisor.Capacity },
        { ScalarType.Float64, null, true, MfacDivisor.Count },
        { ScalarType.Float64, ScalarType.BFloat16, false, MfacDivisor.Count },
        { ScalarType.Float32, null, false, MfacDivisor.Count },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Is_the_window_of_one_process_with_a_share_of_its_memory_on_each_rank(ScalarType dtype, ScalarType? storage, bool isMasked, MfacDivisor divisor)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradients = randn([12, Parameters], dtype).to(Here), V = randn([Parameters, 2], dtype).to(Here);
        MfacWindowOptions options = new() { Damping = 0.1, Divisor = divisor, Storage = storage, Mask = isMasked ? arange(Parameters, device: Here).remainder(4).ne(1) : null };
        long taking = isMasked ? options.Mask!.sum().ToInt64() : Parameters;
        using MfacWindow alone = new(Capacity, Parameters, dtype, Here, options: options);
        double[] expected = Slide(alone, gradients, V);
        foreach (int count in (int[])[1, 2, 3])
        {
            (double[] Numbers, long Own, long Held, List<long> Sums)[] got = ThreadRanks.Run(count, ranks =>
            {
                using MfacWindow window = new(Capacity, Parameters, dtype, Here, options: options, ranks: ranks);
                double[] numbers = Slide(window, gradients, V);
                ranks.Sums.Clear();
                window.Step(gradients[0]);
                using Tensor rows = window.StateDict()["window"];
                return (numbers, window.OwnParameters, rows.numel(), ranks.Sums);
            });
            double difference = RankBattery.Difference(expected, got[0].Numbers);
            Assert.True(difference < (dtype == ScalarType.Float64 ? 1e-12 : 1e-6), $"{count} ranks: {difference:g3}");
            Assert.All(got, rank => Assert.Equal(got[0].Numbers, rank.Numbers));
            Assert.Equal(taking, got.Sum(rank => rank.Own));
            Assert.True(got.Max(rank => rank.Own) - got.Min(rank => rank.Own) <= 1);
            Assert.All(got, rank => Assert.Equal(Capacity * rank.Own, rank.Held));
            IEnumerable<long> others = count == 1 ? [] : [Capacity, .. got.Select(rank => rank.Own)];
            Assert.All(got, rank => Assert.Equal([Capacity, .. others], rank.Sums)); // the products, what solves them, and each rank's share of the result
        }
    }

    [Fact]
    public void A_gradient_that_is_not_finite_is_refused_on_all_ranks_and_the_window_goes_on()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradients = randn([3, Parameters], ScalarType.Float64).to(Here);
        double[][] steps = ThreadRanks.Run(3, ranks =>
        {
            using MfacWindow window = new(Capacity, Parameters, ScalarType.Float64, Here, ranks: ranks);
            window.Step(gradients[0]);
            Tensor bad = gradients[1].clone();
            bad.select(0, 0).fill_(double.NaN); // an entry of rank 0 alone
            Assert.Throws<NonFiniteException>(() => window.Step(bad));
            return OptimizerBattery.Numbers(window.Step(gradients[2]));
        });
        Assert.All(steps, step => Assert.Equal(steps[0], step));
    }

    [Fact]
    public void Fewer_parameters_than_ranks_are_refused_on_all()
    {
        (_, Exception?[] errors) = ThreadRanks.Try(3, ranks => new MfacWindow(2, 2, ScalarType.Float32, ranks: ranks));
        Assert.All(errors, error => Assert.Contains("2 of them are too few for 3 ranks", Assert.IsType<CurvatureException>(error).Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_state_with_NaN_in_one_rank_s_columns_is_refused_on_all_and_the_window_goes_on()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradients = randn([3, Parameters], ScalarType.Float64);
        (string Message, double[] Step)[] got = ThreadRanks.Run(3, ranks =>
        {
            using MfacWindow window = new(Capacity, Parameters, ScalarType.Float64, ranks: ranks);
            window.Step(gradients[0]);
            Dictionary<string, Tensor> state = window.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
            _ = ranks.Rank == 1 ? state["window"].fill_(double.NaN) : null;
            string message = Assert.Throws<NonFiniteException>(() => window.LoadStateDict(state)).Message;
            return (message, OptimizerBattery.Numbers(window.Step(gradients[1])));
        });
        Assert.All(got, rank => Assert.Contains("'window' in the state of the window holds NaN", rank.Message, StringComparison.Ordinal));
        Assert.All(got, rank => Assert.Equal(got[0].Step, rank.Step));
    }

    [Fact]
    public void A_matrix_that_one_rank_cannot_factorise_ends_the_product_on_all()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradients = randn([2, Parameters], ScalarType.Float64);
        string[] messages = ThreadRanks.Run(3, ranks =>
        {
            using MfacWindow window = new(Capacity, Parameters, ScalarType.Float64, ranks: ranks);
            window.Step(gradients[0]);
            Dictionary<string, Tensor> state = window.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
            _ = ranks.Rank == 1 ? state["gram"].mul_(-1) : null;
            window.LoadStateDict(state);
            return Assert.Throws<CurvatureException>(() => window.Step(gradients[1])).Message;
        });
        Assert.All(messages, message => Assert.Contains("positive definite", message, StringComparison.Ordinal));
        Assert.StartsWith("On rank 1 of 3:", messages[0], StringComparison.Ordinal);
    }

    /// <summary>Steps beyond the window's end, products, a combination of gradients, the trace, and the same after a state went through another window.</summary>
    private static double[] Slide(MfacWindow window, Tensor gradients, Tensor V)
    {
        List<double> numbers = [];
        for (long t = 0; t < gradients.shape[0]; t++)
        {
            numbers.AddRange(OptimizerBattery.Numbers(window.Step(gradients[t])));
        }

        numbers.AddRange(OptimizerBattery.Numbers(window.Apply(V)));
        numbers.AddRange(OptimizerBattery.Numbers(window.ApplyToWindow(arange(Capacity, ScalarType.Float64, device: Here))));
        numbers.Add(window.ExactTrace!.Value);
        window.LoadStateDict(window.StateDict());
        numbers.AddRange(OptimizerBattery.Numbers(window.Step(gradients[1])));
        return [.. numbers];
    }
}

using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Quantizers;
using Curvature.Tests.Quant.Calibration;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>Post-training quantization over ranks that have little to do, that learn apart, or of which one fails: a rank that is left waiting is told so after two seconds, in other words than an error on another rank.</summary>
public sealed class CalibrationRanksTests
{
    private static readonly CrossEntropy Loss = new();

    public static TheoryData<string> Pipelines => ["light", "in parallel", "in sequence"];

    [Theory]
    [MemberData(nameof(Pipelines))]
    public void Fewer_batches_than_ranks_give_the_layers_of_one_process_to_the_bit(string pipeline)
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential[] models = Perceptrons(4);
        Batch[] batches = Batches(models[3], 12, 8);
        Outcome alone = Run(pipeline, models[3], batches, OneRank.Instance);
        Outcome[] all = ThreadRanks.Run(3, ranks => Run(pipeline, models[ranks.Rank], batches, ranks));
        Assert.All(all, rank => Assert.Equal(alone.Exact, rank.Exact));
        Assert.All(all, rank => Assert.Equal(all[0].Tuned, rank.Tuned));
        Assert.InRange(RankBattery.Difference(alone.Tuned, all[0].Tuned), 0, 1e-10); // sums of statistics differ in their last digits, and biases are tuned after them
    }

    [Fact]
    public void Ranges_and_measured_increases_have_the_bits_of_one_process()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential[] models = [.. Enumerable.Range(0, 3).Select(_ => CalibrationNetworks.Convolutional(ScalarType.Float64))];
        Batch[] batches = Batches(models[2], 6, 4, 5, 3);
        double[] Measure(Sequential model, IRanks ranks)
        {
            var network = QuantizableNetwork.Of(model, batches[0].Inputs.narrow(0, 0, 1));
            Batch[] own = [.. RankBattery.Shard(batches, ranks)];
            ActivationOptions[] ways =
            [
                new() { ValuesPerBatch = 10_000, Seed = 3 },
                new() { Range = new PercentileRange(99), ValuesPerBatch = 50 },
                new() { Range = new MinMaxRange(), Extremes = ActivationExtremes.MeanOfSamples },
                new() { Range = new MinMaxRange(), Extremes = ActivationExtremes.RunningMean },
            ];
            var found = new List<double>();
            foreach (ActivationOptions way in ways)
            {
                using var activations = QuantizedActivations.Calibrate(network, own.Select(batch => batch.Inputs), way, ranks);
                found.AddRange(activations.Layers.SelectMany(layer => (double[])[activations.Extremes(layer).Low, activations.Extremes(layer).High, activations.Grid(layer, 4).Scale, activations.Grid(layer, 4).Zero]));
            }

            QuantizedLayer[] candidates = [.. network.Layers.SelectMany(layer => new[] { 2, 8 }.Select(bits => QuantizedLayer.Round(layer, bits)))];
            LayerTable table = new MeasuredIncrease { Rest = 8, Ranks = ranks }.Table(network, candidates, own, Loss);
            Array.ForEach(candidates, layer => layer.Dispose());
            return [.. found, .. table.Layers.SelectMany(layer => layer.Sensitivity!.Values.Concat(layer.SensitivityStandardError!.Values))];
        }

        double[] alone = Measure(models[2], OneRank.Instance);
        Assert.All(ThreadRanks.Run(2, ranks => Measure(models[ranks.Rank], ranks)), rank => Assert.Equal(alone, rank));
    }

    [Fact]
    public void What_every_rank_learns_for_itself_is_rank_0s_on_all_of_them()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential[] models = Perceptrons(3);
        Batch[] batches = Batches(models[2], 12, 8);
        Outcome alone = Run("in sequence", models[2], batches, OneRank.Instance);
        Outcome[] all = ThreadRanks.Run(2, ranks => Run("in sequence", models[ranks.Rank], batches, ranks, seed: (ulong)ranks.Rank)); // another order of samples stands for a processor that rounds differently
        Assert.All(all, rank => Assert.Equal(alone.Exact, rank.Exact));
        Assert.Equal(all[0].Tuned, all[1].Tuned);
    }

    [Fact]
    public void A_rank_that_fails_or_is_cancelled_in_any_pass_over_the_data_fails_all_and_leaves_the_networks_as_they_were()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential[] models = Perceptrons(2);
        Batch[] batches = Batches(models[0], 4, 4);
        double[] before = State(models[0]);
        int last = int.MaxValue;
        for (int fatal = 1; fatal <= last; fatal++)
        {
            int passes = 0;
            bool cancels = fatal % 3 == 1; // in the seventh pass, the last before the first layer is learned, among others
            using CancellationTokenSource source = new();
            var hook = models[1].register_forward_pre_hook((_, input) =>
            {
                if (++passes != fatal)
                {
                    return input;
                }

                source.Cancel();
                return cancels ? input : throw new InvalidOperationException("out of memory");
            });
            (_, Exception?[] errors) = ThreadRanks.Try(2, ranks => Run("in sequence", models[ranks.Rank], batches, ranks, steps: 2, cancellation: ranks.Rank == 1 && cancels ? source.Token : default));
            hook.remove();
            if (passes < fatal || errors.All(error => error is null))
            {
                Assert.All(errors, Assert.Null); // it was never to fail, or cancelled when nobody looked any more
                last = fatal;
                continue;
            }

            Assert.True(errors[0] is not null && errors[0]!.Message.StartsWith("On rank 1 of 2: ", StringComparison.Ordinal), $"pass {fatal}: {errors[0]}, {errors[1]}");
            Assert.Equal(cancels ? typeof(OperationCanceledException) : typeof(InvalidOperationException), errors[1]!.GetType());
            Assert.All(models, model => Assert.Equal(before, State(model)));
        }

        Assert.True(last > 10, $"{last}"); // passes of ranges, layers, norms and biases
    }

    [Theory]
    [MemberData(nameof(Pipelines))]
    public void A_rank_that_fails_in_a_layer_fails_all(string pipeline)
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential[] models = Perceptrons(2);
        Batch[] batches = Batches(models[0], 4, 4);
        for (int fatal = 1; fatal <= 2; fatal++)
        {
            int asked = 0;
            Func<int, Quantizer> fails = bits => ++asked == fatal ? throw new CurvatureException("There is no such quantizer.") : Quantizer.HawqWeights(bits);
            Func<int, double, Quantizer> inputs = (bits, low) => ++asked == fatal ? throw new CurvatureException("There is no such quantizer.") : ActivationOptions.Hawq(bits, low);
            (_, Exception?[] errors) = ThreadRanks.Try(2, ranks => Run(pipeline, models[ranks.Rank], batches, ranks, steps: 2, change: how =>
                ranks.Rank == 0 ? how
                : how.AdaQuant is null ? how with { Activations = new ActivationOptions { Quantizer = inputs } }
                : how with { AdaQuant = how.AdaQuant with { Quantizer = fails } }));
            Assert.Equal(["On rank 1 of 2: There is no such quantizer.", "There is no such quantizer."], errors.Select(error => error?.Message));
        }
    }

    [Fact]
    public void A_plan_that_one_rank_does_not_find_is_found_by_none()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential[] models = Perceptrons(2);
        Batch[] batches = Batches(models[0], 4, 4);
        (_, Exception?[] errors) = ThreadRanks.Try(2, ranks => Run("light", models[ranks.Rank], batches, ranks, limit: ranks.Rank == 1 ? "avg-bits=1" : "avg-bits=4"));
        Assert.StartsWith("On rank 1 of 2: ", errors[0]?.Message, StringComparison.Ordinal);
        Assert.IsType<InfeasibleLimitException>(errors[1]);
    }

    [Fact]
    public void No_batches_at_all_are_told_of_on_every_rank()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential[] models = Perceptrons(2);
        (_, Exception?[] errors) = ThreadRanks.Try(2, ranks => Run("in sequence", models[ranks.Rank], [], ranks, change: how => how with { InputBits = QuantizedWeights.Unquantized }));
        Assert.All(errors, error => Assert.Contains("There are no calibration inputs", Assert.IsType<CurvatureException>(error).Message, StringComparison.Ordinal));
    }

    private static Outcome Run(
        string pipeline,
        Sequential model,
        Batch[] batches,
        IRanks ranks,
        ulong seed = 0,
        int steps = 6,
        string limit = "avg-bits=4",
        Func<PostTrainingQuantization, PostTrainingQuantization>? change = null,
        CancellationToken cancellation = default)
    {
        var adaQuant = new AdaQuant { Steps = steps, BatchSize = 4, Looks = 2, Seed = seed };
        var biases = new BiasTuning { Epochs = 1, BatchSize = 4, Seed = seed };
        PostTrainingQuantization how = pipeline switch
        {
            "light" => PostTrainingQuantization.Light with { Bits = [2, 8] },
            "in parallel" => PostTrainingQuantization.Advanced with { Bits = [2, 8], AdaQuant = adaQuant, BiasTuning = biases },
            _ => PostTrainingQuantization.Advanced with { Bits = [3], AdaQuant = adaQuant with { Variant = AdaQuantVariant.Sequential }, BiasTuning = biases },
        };
        how = how with { Activations = new ActivationOptions { Range = new MinMaxRange() } }; // least squares take their time
        how = change?.Invoke(how) ?? how;
        using QuantizationResult result = (how with { Ranks = ranks }).Run(QuantizableNetwork.Of(model), batches, Loss, how.Bits.Count > 1 ? [Limit.Parse(limit)] : [], cancellation: cancellation);
        return new Outcome(
            [
                .. result.Table?.Layers.SelectMany(layer => layer.Sensitivity!.Values) ?? [],
                .. result.QuantizedLayers.SelectMany(layer => (double[])[layer.Bits, layer.Input!.Value.Scale, layer.Input.Value.Zero, layer.StartError ?? 0, layer.Error ?? 0, layer.Steps, .. CalibrationNetworks.Values(layer.Weight), .. layer.Bias is null ? [] : CalibrationNetworks.Values(layer.Bias)]),
            ],
            [result.BatchNorm?.Norms ?? 0, result.Biases?.StartDivergence ?? 0, result.Biases?.Divergence ?? 0, .. State(model)]);
    }

    /// <summary>Networks of one start, made before there are threads: these have one random state.</summary>
    private static Sequential[] Perceptrons(int count) => [.. Enumerable.Range(0, count).Select(_ =>
    {
        manual_seed(5);
        Sequential model = nn.Sequential(
            ("flat", nn.Flatten()),
            ("fc1", nn.Linear(64, 6, dtype: ScalarType.Float64)),
            ("bn1", nn.BatchNorm1d(6, dtype: ScalarType.Float64)),
            ("fc2", nn.Linear(6, 3, dtype: ScalarType.Float64))).to(Here);
        model.eval();
        return model;
    })];

    private static Batch[] Batches(Sequential model, params int[] sizes)
    {
        using IDisposable noGrad = no_grad();
        return [.. sizes.Select((size, i) => CalibrationNetworks.Images(size, 20 + i, ScalarType.Float64).mul(2)).Select(inputs => new Batch(inputs, model.call(inputs).argmax(1)))];
    }

    private static double[] State(Sequential model) => [.. model.state_dict().Values.SelectMany(CalibrationNetworks.Values)];

    /// <summary>What has the bits of one process, and what comes after sums over ranks.</summary>
    private sealed record Outcome(double[] Exact, double[] Tuned);
}

using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples.Quantization;

/// <summary>Makes the results with activations quantized too, of one network and seed, that are missing. Its plans are those for weights alone, which must be there.</summary>
internal sealed class CalibrationRuns(StudyNetwork network, int seed, QuantizationResults results, CancellationToken cancellation)
{
    /// <summary>Bits of activations, and of weights on average.</summary>
    public const int Bits = 4;

    private const int BatchSize = 64, TestBatchSize = 256;

    private static readonly CrossEntropy Loss = new();

    /// <summary>Where the rounding starts from.</summary>
    public static WeightGrid Grid { get; } = WeightGrid.All[0];

    /// <summary>Whose plans are calibrated.</summary>
    public static IReadOnlyList<string> Methods { get; } = [PlanRuns.Uniform, PlanMethod.All[0].Name];

    /// <summary>Of the network's training, and of what is drawn.</summary>
    public int Seed { get; } = seed;

    /// <summary>What is learned layer by layer.</summary>
    public AdaQuant Learning { get; init; } = new() { Variant = AdaQuantVariant.Sequential };

    /// <summary>How biases are trained.</summary>
    public BiasTuning Tuning { get; init; } = new();

    /// <summary>Whether there is nothing to do.</summary>
    public bool AreMade => All().All(run => Has(run.EndsAt8, run.Method, run.Calibration));

    /// <summary>Makes them, each kept as soon as it is there.</summary>
    /// <param name="model">The trained network.</param>
    /// <param name="calibration">Training images.</param>
    /// <param name="test">Test images.</param>
    public void Make(nn.Module<Tensor, Tensor> model, Dataset calibration, Dataset test)
    {
        QuantizableNetwork quantizable = QuantizableNetwork.Of(model);
        using DisposeScope scope = NewDisposeScope();
        Tensor[] inputs = [.. calibration.Inputs.split(BatchSize)];
        Tensor outputs = BiasTuning.Outputs(model, inputs, cancellation);
        using QuantizedActivations activations = QuantizedActivations.Calibrate(quantizable, inputs, cancellation: cancellation);
        foreach (IGrouping<(bool EndsAt8, string Method, bool Learns), (bool EndsAt8, string Method, Calibration Calibration)> group in
            All().Where(run => !Has(run.EndsAt8, run.Method, run.Calibration)).GroupBy(run => (run.EndsAt8, run.Method, run.Calibration.Learns)))
        {
            IReadOnlyDictionary<string, int> bits = results.Plans(network, new PlanKind(Grid.Name, group.Key.EndsAt8, Bits), group.Key.Method).First(plan => plan.Seed == Seed).Bits;
            Dictionary<string, int> inputBits = quantizable.Layers.Select((layer, l) => (layer.Name, group.Key.EndsAt8 && (l == 0 || l == quantizable.Layers.Count - 1) ? 8 : Bits)).ToDictionary();
            TimeSpan start = Environment.CpuUsage.TotalTime;
            IReadOnlyList<QuantizedLayer> layers = group.Key.Learns
                ? (Learning with { Quantizer = Grid.Quantizer, Seed = (ulong)Seed }).Calibrate(quantizable, inputs, bits, activations, inputBits, cancellation: cancellation)
                : [.. quantizable.Layers.Select(layer => QuantizedLayer.Round(layer, bits[layer.Name], activations, inputBits[layer.Name], Grid.Quantizer))];
            TimeSpan learned = Environment.CpuUsage.TotalTime - start;
            foreach (Calibration how in group.Select(run => run.Calibration))
            {
                start = Environment.CpuUsage.TotalTime;
                using QuantizedLayers quantized = QuantizedLayers.Apply(quantizable, layers);
                using BatchNormTuning? norms = how.Tunes ? BatchNormTuning.Apply(model, inputs, cancellation: cancellation) : null;
                using TunedBiases? biases = how.Tunes ? (Tuning with { Seed = (ulong)Seed }).Tune(model, calibration.Inputs, outputs, cancellation: cancellation) : null;
                Add(model, group.Key.EndsAt8, group.Key.Method, how, bits, calibration, test, learned + Environment.CpuUsage.TotalTime - start);
            }

            foreach (QuantizedLayer layer in layers)
            {
                layer.Dispose();
            }
        }
    }

    private static IEnumerable<(bool EndsAt8, string Method, Calibration Calibration)> All() =>
        from endsAt8 in (bool[])[false, true] from method in Methods from calibration in Calibration.All select (endsAt8, method, calibration);

    private bool Has(bool endsAt8, string method, Calibration calibration) => results.Calibrated(network, endsAt8, method, calibration).Any(line => line.Seed == Seed);

    private void Add(nn.Module model, bool endsAt8, string method, Calibration how, IReadOnlyDictionary<string, int> bits, Dataset calibration, Dataset test, TimeSpan seconds)
    {
        NetworkQuality Quality(Dataset data)
        {
            using DisposeScope scope = NewDisposeScope();
            return NetworkQuality.Of(model, data.Batches(TestBatchSize), Loss, cancellation);
        }

        NetworkQuality tested = Quality(test);
        results.Add(new CalibratedLine
        {
            Network = network.Name,
            Recipe = network.Recipe,
            Seed = Seed,
            EndsAt8 = endsAt8,
            Method = method,
            Calibration = how.Name,
            Bits = bits,
            CalibrationLoss = PlanRuns.Rounded(Quality(calibration).Loss),
            TestLoss = PlanRuns.Rounded(tested.Loss),
            TestAccuracy = PlanRuns.Rounded(tested.Accuracy!.Value),
            Seconds = Math.Round(seconds.TotalSeconds, 2),
        });
        Console.WriteLine($"{network.Name} seed {Seed}, weights and activations at {Bits} bits{(endsAt8 ? " between ends at 8" : "")}, {method}, {how.Name}: test accuracy {tested.Accuracy:P2}, loss {tested.Loss:F4}");
    }
}

using System.Globalization;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples.Quantization;

/// <summary>Makes the sensitivities and plans of one network, seed and kind of grid that are missing.</summary>
internal sealed class PlanRuns(StudyNetwork network, int seed, WeightGrid grid, QuantizationResults results, CancellationToken cancellation)
{
    /// <summary>The names of plans that follow no sensitivity.</summary>
    public const string Float = "float", Uniform = "uniform";

    /// <summary>The name under which the increase of the loss over the test images is kept, by which nothing is planned.</summary>
    public const string Test = "test";

    private const int BatchSize = 256, VerificationBatchSize = 128;

    private static readonly CrossEntropy Loss = new();

    /// <summary>Bits at which that is measured.</summary>
    public static IReadOnlyList<int> TestBits { get; } = [2, 3, 4];

    /// <summary>Whether there is nothing to do.</summary>
    public bool AreMade =>
        Has(PlanKind.Float, Float) && PlanMethod.Sensitivities.All(known => Has(known.Name)) && IsTested &&
        PlanKind.Of(grid).All(kind => Has(kind, Uniform) && PlanMethod.All.All(method => Has(kind, method.Name)));

    /// <summary>Sensitivities are compared with the test images on the first kind of grid.</summary>
    private bool IsTested => grid != WeightGrid.All[0] || Has(Test);

    /// <summary>Rounded to the digits that are kept.</summary>
    public static double Rounded(double value) => double.Parse(value.ToString("g6", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>Makes them, each kept as soon as it is there.</summary>
    /// <param name="model">The trained network.</param>
    /// <param name="calibration">Training images, which sensitivities see.</param>
    /// <param name="verification">More training images, on which plans are verified.</param>
    /// <param name="test">Test images.</param>
    public void Make(nn.Module model, Dataset calibration, Dataset verification, Dataset test)
    {
        using DisposeScope scope = NewDisposeScope();
        QuantizableNetwork layers = QuantizableNetwork.Of(model);
        using SensitivityProblem problem = new(layers, Loss, [.. calibration.Batches(BatchSize)], PlanMethod.Bits, grid.Quantizer);
        Lazy<QuadraticModel> quadratic = new(() => new QuadraticSensitivity().Model(problem, cancellation: cancellation));
        foreach (KnownSensitivity known in PlanMethod.Sensitivities.Where(known => !Has(known.Name)))
        {
            Add(known.Name, () => known.Type == typeof(QuadraticSensitivity)
                ? quadratic.Value.Table()
                : KnownSensitivities.Create(known.Name, new SensitivityOptions { Seed = seed }).Measure(problem, cancellation: cancellation));
        }

        if (!IsTested)
        {
            using SensitivityProblem tested = new(layers, Loss, [.. test.Batches(BatchSize)], TestBits, grid.Quantizer);
            Add(Test, () => new MeasuredSensitivity().Measure(tested, cancellation: cancellation));
        }

        PlanEvaluation evaluation = new(layers, grid.Quantizer, batches => NetworkQuality.Of(model, batches.Batches(BatchSize), Loss, cancellation), calibration, test);
        if (!Has(PlanKind.Float, Float))
        {
            Add(evaluation, PlanKind.Float, Float, layers.Layers.ToDictionary(layer => layer.Name, _ => QuantizedWeights.Unquantized));
        }

        PlanVerifications verifications = new(layers, grid.Quantizer, () => NetworkQuality.Of(model, verification.Batches(VerificationBatchSize), Loss, cancellation));
        foreach (PlanKind kind in PlanKind.Of(grid))
        {
            Plan(evaluation, kind, quadratic);
            foreach (PlanMethod method in PlanMethod.All.Where(method => method.Of is not null && !Has(kind, method.Name)))
            {
                Add(verifications.Better(PlanOf(kind, method.Of!), PlanOf(kind, Uniform)) with { Method = method.Name });
            }
        }
    }

    private void Plan(PlanEvaluation evaluation, PlanKind kind, Lazy<QuadraticModel> quadratic)
    {
        IReadOnlyList<WeightLayer> layers = evaluation.Network.Layers;
        Dictionary<string, int> uniform = layers.Select((layer, l) => (layer.Name, kind.EndsAt8 && (l == 0 || l == layers.Count - 1) ? 8 : kind.AverageBits)).ToDictionary();
        Limit limit = Limit.AtMost(PlanCost.Size, layers.Sum(layer => (decimal)layer.Parameters * uniform[layer.Name]) / 8);
        if (!Has(kind, Uniform))
        {
            Add(evaluation, kind, Uniform, uniform);
        }

        foreach (PlanMethod method in PlanMethod.All.Where(method => method.Of is null && !Has(kind, method.Name)))
        {
            LayerLine line = results.Layers(network, grid, method.Sensitivity).First(line => line.Seed == seed);
            LayerTable table = new()
            {
                Bits = line.Bits,
                Layers = [.. layers.Select((layer, l) => new TableLayer
                {
                    Name = layer.Name,
                    Parameters = layer.Parameters,
                    Fixed = kind.EndsAt8 && (l == 0 || l == layers.Count - 1) ? 8 : null,
                    Sensitivity = line.Bits.Zip(line.Values[layer.Name]).ToDictionary(),
                })],
            };
            IPlanner planner = method.SeesPairs ? new PairwisePlanner(quadratic.Value) : new ExactPlanner();
            Add(evaluation, kind, method.Name, planner.Plan(new PlanningProblem(table), [limit], cancellation).Assignment);
        }
    }

    private PlanLine PlanOf(PlanKind kind, string method) => results.Plans(network, kind, method).First(line => line.Seed == seed);

    private bool Has(string sensitivity) => results.Layers(network, grid, sensitivity).Any(line => line.Seed == seed);

    private bool Has(PlanKind kind, string method) => results.Plans(network, kind, method).Any(line => line.Seed == seed);

    private void Add(string sensitivity, Func<LayerTable> measure)
    {
        TimeSpan start = Environment.CpuUsage.TotalTime;
        LayerTable table = measure();
        double seconds = (Environment.CpuUsage.TotalTime - start).TotalSeconds;
        results.Add(new LayerLine
        {
            Network = network.Name,
            Recipe = network.Recipe,
            Seed = seed,
            Grid = grid.Name,
            Method = sensitivity,
            Bits = table.Bits,
            Values = new OrderedDictionary<string, double[]>(table.Layers.Select(layer =>
                KeyValuePair.Create(layer.Name, table.Bits.Select(bits => Rounded(layer.SensitivityAt(bits)!.Value)).ToArray()))),
            Seconds = Math.Round(seconds, 2),
        });
        Console.WriteLine($"{network.Name} seed {seed}, {grid.Name}: sensitivity '{sensitivity}' in {seconds:F1} s of the processor");
    }

    private void Add(PlanEvaluation evaluation, PlanKind kind, string method, IReadOnlyDictionary<string, int> bits)
    {
        (NetworkQuality calibration, NetworkQuality test) = evaluation.Of(bits);
        Add(new PlanLine
        {
            Network = network.Name,
            Recipe = network.Recipe,
            Seed = seed,
            Grid = kind.Grid,
            EndsAt8 = kind.EndsAt8,
            Method = method,
            AverageBits = kind.AverageBits,
            Bits = bits,
            CalibrationLoss = Rounded(calibration.Loss),
            TestLoss = Rounded(test.Loss),
            TestAccuracy = Rounded(test.Accuracy!.Value),
        });
    }

    private void Add(PlanLine line)
    {
        results.Add(line);
        Console.WriteLine($"{network.Name} seed {seed}, {line.AverageBits} bits{(line.EndsAt8 ? " between ends at 8" : "")}, {line.Method}: test accuracy {line.TestAccuracy:P2}, loss {line.TestLoss:F4}; {string.Join(' ', line.Bits.Values)}");
    }
}

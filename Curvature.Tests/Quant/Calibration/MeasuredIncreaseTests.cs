using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Xunit;

namespace Curvature.Tests.Quant.Calibration;

public class MeasuredIncreaseTests
{
    [Theory]
    [InlineData(null)]
    [InlineData(8)]
    public void Sensitivities_are_differences_of_losses_with_paired_errors(int? rest)
    {
        using LoadedModel digits = CalibrationNetworks.Digits();
        using Dataset data = CalibrationNetworks.DigitsData(320);
        var network = QuantizableNetwork.Of(digits.Module, data.Inputs.narrow(0, 0, 1));
        using var activations = QuantizedActivations.Calibrate(network, [data.Inputs]);
        QuantizedLayer[] candidates = [.. network.Layers.SelectMany(layer => new[] { 2, 8 }.Select(bits => QuantizedLayer.Round(layer, bits, activations)))];
        LayerTable table = new MeasuredIncrease { Rest = rest }.Table(network, candidates, data.Batches(80), new CrossEntropy());

        double[] before = Losses([.. candidates.Where(layer => layer.Bits == rest)]);
        double[] after = Losses([.. candidates.Where(layer => layer.Name == "fc2" ? layer.Bits == 2 : layer.Bits == rest)]);
        double[] differences = [.. after.Zip(before, (a, b) => a - b)];
        double mean = differences.Average(), error = Math.Sqrt(differences.Sum(d => (d - mean) * (d - mean)) / 3 / 4);
        TableLayer fc2 = table.Layers[1];
        Assert.Equal(mean, fc2.Sensitivity![2], 1e-12);
        Assert.Equal(error, fc2.SensitivityStandardError![2], 1e-12);
        Assert.Equal((320, 320), ((int)fc2.Macs!, (int)fc2.Parameters));
        Assert.All(table.Layers, layer => Assert.True(layer.Sensitivity![2] >= 1e-6 && layer.Sensitivity[2] > layer.Sensitivity[8]));
        Assert.Equal(rest is null ? Math.Max(1e-6, fc2.Sensitivity[8]) : 0, fc2.Sensitivity[8]);

        // What a planner makes of it: more bits for the layer that loses more for each weight.
        BitPlan plan = new ExactPlanner().Plan(new PlanningProblem(table), [Limit.Parse("avg-bits=7.5")]);
        Assert.Equal([8, 2], plan.Bits);

        double[] Losses(IReadOnlyList<QuantizedLayer> layers)
        {
            using var quantized = QuantizedLayers.Apply(network, layers);
            return [.. data.Batches(80).Select(batch => NetworkQuality.Of(digits.Module, [batch], new CrossEntropy()).Loss)];
        }
    }

    [Fact]
    public void Candidates_that_make_no_choice_are_refused()
    {
        using LoadedModel digits = CalibrationNetworks.Digits();
        using Dataset data = CalibrationNetworks.DigitsData(10);
        var network = QuantizableNetwork.Of(digits.Module);
        QuantizedLayer[] uneven = [QuantizedLayer.Round(network["fc1"], 4), QuantizedLayer.Round(network["fc2"], 4), QuantizedLayer.Round(network["fc2"], 8)];
        Assert.Contains("'fc1'", Assert.Throws<CurvatureException>(() => new MeasuredIncrease().Table(network, uneven, data.Batches(10), new CrossEntropy())).Message, StringComparison.Ordinal);
        Assert.Contains("3 bits", Assert.Throws<CurvatureException>(() => new MeasuredIncrease { Rest = 3 }.Table(network, uneven[..2], data.Batches(10), new CrossEntropy())).Message, StringComparison.Ordinal);
        Assert.Contains("twice", Assert.Throws<CurvatureException>(() => QuantizedLayers.Apply(network, uneven)).Message, StringComparison.Ordinal);
    }
}

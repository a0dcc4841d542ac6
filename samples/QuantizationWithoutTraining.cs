using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using TorchSharp;

namespace Curvature.Samples;

/// <summary>The digits network with quantized weights and activations, calibrated on 500 digits and tested on 1,296 others: rounded, calibrated layer by layer, planned and tuned.</summary>
internal static class QuantizationWithoutTraining
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset shuffled = all.Sample(all.Count - 1, seed: 0);
        using Dataset calibration = new(shuffled.Inputs.narrow(0, 0, 500).clone(), shuffled.Targets.narrow(0, 0, 500).clone(), "calibration digits");
        using Dataset test = new(shuffled.Inputs.narrow(0, 500, 1296).clone(), shuffled.Targets.narrow(0, 500, 1296).clone(), "test digits");
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        var loss = new CrossEntropy();
        Report("floating point");

        #region activations
        torch.Tensor[] inputs = [.. calibration.Batches(50).Select(batch => batch.Inputs)];
        var network = QuantizableNetwork.Of(model.Module, calibration.Inputs.narrow(0, 0, 1));
        using var activations = QuantizedActivations.Calibrate(network, inputs, cancellation: cancellation);
        var bits = network.Layers.ToDictionary(layer => layer.Name, _ => 3);
        using (QuantizedWeights.Apply(network, bits))
        {
            activations.Apply(bits); // layers' inputs, until it is disposed or applied anew
            Report("3 bits, rounded");
            activations.Dispose();
        }
        #endregion

        #region adaquant
        var adaQuant = new AdaQuant { Steps = options.Quick ? 30 : 300, Variant = AdaQuantVariant.Sequential };
        IReadOnlyList<QuantizedLayer> layers = adaQuant.Calibrate(network, inputs, bits, activations, cancellation: cancellation);
        using (QuantizedLayers.Apply(network, layers))
        {
            Report("3 bits, AdaQuant");
        }
        #endregion

        foreach (QuantizedLayer layer in layers)
        {
            Console.WriteLine($"  {layer.Name}: mean squared error of outputs {layer.StartError:g3} rounded, {layer.Error:g3} calibrated in {layer.Steps} steps");
            layer.Dispose();
        }

        #region pipeline
        PostTrainingQuantization advanced = PostTrainingQuantization.Advanced with { Bits = [2, 3, 4, 8], AdaQuant = adaQuant };
        using (QuantizationResult result = advanced.Run(network, [.. calibration.Batches(50)], loss, [Limit.Parse("avg-bits=3.2")], cancellation: cancellation))
        {
            Report($"{string.Join(", ", result.Plan!.Assignment.Select(layer => $"{layer.Key} at {layer.Value}"))}");
        }
        #endregion

        #region sensitivity
        LayerTable table = new ActivationSensitivity { Estimator = new HutchinsonTrace { MaxProbes = options.Quick ? 8 : 64, MinProbes = 2 } }.Table(
            network, Objective.Supervised(model.Module, loss, calibration.Batches(50)), inputs, activations, [2, 4], cancellation: cancellation);
        foreach (TableLayer layer in table.Layers)
        {
            Console.WriteLine($"  input of {layer.Name}: average trace {layer.AverageTrace:g3} ± {layer.TraceStandardError:g1}, squared error {layer.Error![2]:g3} at 2 bits, {layer.Error[4]:g3} at 4");
        }
        #endregion

        void Report(string what)
        {
            NetworkQuality quality = NetworkQuality.Of(model.Module, test.Batches(500), loss, cancellation);
            Console.WriteLine($"{what}: loss {quality.Loss:F4}, accuracy {quality.Accuracy:P1}");
        }
    }
}

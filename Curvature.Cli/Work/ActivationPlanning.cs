using Curvature.Cli.Output;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Viz.Report;

namespace Curvature.Cli.Work;

/// <summary>Bits of layers' inputs: the width asked for, or of several a plan by HAWQ-V2's sensitivity of activations, within limits of its own and before that of the weights.</summary>
internal sealed class ActivationPlanning(Workspace work, QuantizableNetwork network, SampleSet samples, NetworkPlanRequest request, LayerTable? costs, Terminal terminal)
{
    // Each probe is a product of the network's own size, for each layer: a quarter of those of the weights' traces, which serve all layers at once.
    private const int ShareOfProbes = 4;

    /// <summary>The bits.</summary>
    /// <param name="activations">Ranges of inputs.</param>
    /// <exception cref="CurvatureException">No layer's input was seen; limits that no plan keeps: both before any work.</exception>
    public PlanInputs Bits(QuantizedActivations activations)
    {
        string[] layers = [.. network.Layers.Select(layer => layer.Name).Where(activations.Layers.Contains)];
        if (layers.Length == 0)
        {
            throw new CurvatureException("--activations: no layer's input was seen, so there is none to quantize. Hooks see a layer that is called, layer.call(x), and not one of which forward(x) is; and none takes indices. Call the layers, or leave --activations out.");
        }

        Dictionary<string, int?> named = (costs?.Layers ?? []).ToDictionary(layer => layer.Name, layer => layer.ActivationBits, StringComparer.Ordinal);
        if (request.Activations is [var width])
        {
            return new PlanInputs(new OrderedDictionary<string, int>(layers.Select(layer => KeyValuePair.Create(layer, named.GetValueOrDefault(layer) ?? width)), StringComparer.Ordinal));
        }

        // Limits that no plan keeps are found by sizes alone, before traces are estimated.
        new GreedyPlanner().Plan(new PlanningProblem(Fixed(new LayerTable
        {
            Bits = request.Activations,
            Layers = [.. layers.Select(layer => new TableLayer { Name = layer, Parameters = activations.Values(layer), Sensitivity = request.Activations.ToDictionary(bits => bits, _ => 0.0) })],
        })), request.ActivationLimits, terminal.Cancellation);
        terminal.Say($"Sensitivities of the inputs of {Format.Count(layers.Length, "layer")}.");
        IReadOnlyList<Batch> batches = samples.All().Batches(work.BatchSizeOf(samples));
        var sensitivity = new ActivationSensitivity { Ranks = work.Ranks, Estimator = new HutchinsonTrace { MaxProbes = Math.Max(2, request.Probes / ShareOfProbes), MinProbes = 2, Seed = request.Work.Seed } };
        LayerTable table = Fixed(sensitivity.Table(network, work.Over(batches), [.. batches.Select(batch => batch.Inputs)], activations, request.Activations, cancellation: terminal.Cancellation));
        BitPlan plan = new ExactPlanner().Plan(new PlanningProblem(table), request.ActivationLimits, terminal.Cancellation);
        return new PlanInputs(plan.Assignment) { Table = table, Plan = plan, Limits = request.ActivationLimits };

        LayerTable Fixed(LayerTable of) => of with { Name = "the layers' inputs", Layers = [.. of.Layers.Select(layer => layer with { Fixed = named.GetValueOrDefault(layer.Name) })] };
    }
}

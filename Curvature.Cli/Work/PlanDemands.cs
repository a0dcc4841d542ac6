using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;

namespace Curvature.Cli.Work;

/// <summary>What can be asked of a plan for a network's layers: found out by the layers alone, before any work.</summary>
internal static class PlanDemands
{
    /// <summary>Whether a weight can be put on grids of so many bits, or stay in floating point.</summary>
    public static bool IsWidth(int bits) => bits is (>= 2 and <= 8) or QuantizedWeights.Unquantized;

    /// <summary>Throws where layers are fixed, grouped or get inputs in a way that what was asked for cannot be done with.</summary>
    /// <param name="request">What was asked.</param>
    /// <param name="of">What was asked of the network.</param>
    /// <param name="loss">The loss.</param>
    /// <param name="table">The layers with everything that was said of them; sensitivities do not count.</param>
    /// <exception cref="CurvatureException">It cannot be; the message names the layer and the remedy.</exception>
    public static void Check(PlanRequest request, NetworkPlanRequest of, ISupervisedLoss loss, LayerTable table)
    {
        if (table.Layers.FirstOrDefault(layer => layer.Fixed is { } bits && !IsWidth(bits)) is { } wrong)
        {
            throw new CurvatureException($"Layer '{wrong.Name}' is fixed at {wrong.Fixed} bits: expected 2 to 8, or 32 for floating point.");
        }

        if (of.Activations.Count > 0 && table.Layers.FirstOrDefault(layer => layer.ActivationBits is < 2 or > 8) is { } input)
        {
            throw new CurvatureException($"The input of layer '{input.Name}' is to have {input.ActivationBits} bits: expected 2 to 8 where plans are measured with inputs quantized (--activations).");
        }

        if (request.Search == NetworkPlanRun.Pairwise && table.Layers.FirstOrDefault(layer => layer.Fixed is { } bits && !table.Bits.Contains(bits)) is { } apart)
        {
            string add = apart.Fixed == QuantizedWeights.Unquantized ? "" : $", name {apart.Fixed} in --bits";
            throw new CurvatureException(
                $"--search pairwise: layer '{apart.Name}' is fixed at {apart.Fixed} bits, and terms between layers are measured at {string.Join(", ", table.Bits)}. Fix it at one of these{add}, or leave --search out.");
        }

        if (request.Accuracy is null)
        {
            return;
        }

        if (!NetworkQuality.HasAccuracy(loss))
        {
            throw new CurvatureException($"--accuracy: the loss '{of.Work.Loss}' knows no right answers; cross-entropy and bce do. Name one of these, or plan within a --limit.");
        }

        if (table.Layers.All(layer => layer.Fixed is not null))
        {
            throw new CurvatureException("--accuracy: every layer is fixed, so there are no bits to choose. Leave a layer free, or plan within a --limit.");
        }
    }
}

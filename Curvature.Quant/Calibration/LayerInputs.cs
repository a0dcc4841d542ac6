using Curvature.Quant.Networks;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>What layers see over all calibration batches.</summary>
internal static class LayerInputs
{
    /// <summary>The layers that are called, in the order of their first calls, with the bytes that their inputs take over all batches, as one batch has them.</summary>
    public static IReadOnlyList<(WeightLayer Layer, double Bytes)> Order(
        QuantizableNetwork network, IReadOnlyCollection<WeightLayer> layers, IReadOnlyList<Tensor> inputs, CancellationToken cancellation)
    {
        var bytes = new OrderedDictionary<string, double>(StringComparer.Ordinal);
        CalibrationPass.Run(
            network,
            layers,
            (layer, input) =>
            {
                bytes[layer.Name] = bytes.GetValueOrDefault(layer.Name) + (input.numel() * input.ElementSize);
                return null;
            },
            inputs.Take(1),
            cancellation);
        double times = (double)inputs.Sum(batch => batch.shape[0]) / inputs[0].shape[0];
        return [.. bytes.Select(entry => (network[entry.Key], entry.Value * times))];
    }

    /// <summary>The inputs of some layers over all batches, <c>[N, ...]</c>; where a layer is called several times a batch, all calls. The caller disposes them.</summary>
    /// <exception cref="CurvatureException">A layer is called with inputs of several shapes.</exception>
    public static Dictionary<string, Tensor> Capture(
        QuantizableNetwork network, IReadOnlyCollection<WeightLayer> layers, IReadOnlyList<Tensor> inputs, CancellationToken cancellation)
    {
        var parts = layers.ToDictionary(layer => layer.Name, _ => new List<Tensor>(), StringComparer.Ordinal);
        var joined = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            CalibrationPass.Run(
                network,
                layers,
                (layer, input) =>
                {
                    parts[layer.Name].Add(input.detach().clone().DetachFromDisposeScope());
                    return null;
                },
                inputs,
                cancellation);
            foreach ((string name, List<Tensor> list) in parts)
            {
                joined.Add(name, Joined(name, list));
                DisposeAll(list); // before the next layer's are joined: the parts of all and the whole of all are twice the memory
            }

            return joined;
        }
        catch
        {
            DisposeAll(joined.Values);
            throw;
        }
        finally
        {
            DisposeAll(parts.Values.SelectMany(list => list));
        }
    }

    private static void DisposeAll(IEnumerable<Tensor> tensors)
    {
        foreach (Tensor tensor in tensors)
        {
            tensor.Dispose();
        }
    }

    private static Tensor Joined(string layer, List<Tensor> parts)
    {
        if (parts.Select(part => string.Join(' ', part.shape.Skip(1))).Distinct().Count() != 1)
        {
            throw new CurvatureException($"Layer '{layer}' is called with inputs of several shapes, so that they make no one set of samples. Leave it out of calibration.");
        }

        using IDisposable noGrad = no_grad();
        return (parts.Count == 1 ? parts[0].clone() : cat([.. parts])).DetachFromDisposeScope();
    }
}

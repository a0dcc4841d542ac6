using Curvature.Objectives;
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
            OneRank.Instance,
            cancellation);
        double times = (double)inputs.Sum(batch => batch.shape[0]) / inputs[0].shape[0];
        return [.. bytes.Select(entry => (network[entry.Key], entry.Value * times))];
    }

    /// <summary>
    /// The inputs of some layers over all batches, <c>[N, ...]</c>; where a layer is called several times a batch, all calls. Of several ranks each makes a stretch of the batches, and all have the whole, to the bit. The caller disposes them.
    /// </summary>
    /// <exception cref="CurvatureException">A layer is called with inputs of several shapes.</exception>
    public static Dictionary<string, Tensor> Capture(
        QuantizableNetwork network, IReadOnlyCollection<WeightLayer> layers, IReadOnlyList<Tensor> inputs, IRanks ranks, CancellationToken cancellation)
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
                RankShare.Of(inputs, ranks),
                ranks,
                cancellation);
            foreach ((string name, List<Tensor> list) in parts)
            {
                joined.Add(name, ranks.Count == 1 ? Joined(name, list) : Joined(network[name], list, ranks));
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
            throw SeveralShapes(layer);
        }

        using IDisposable noGrad = no_grad();
        return (parts.Count == 1 ? parts[0].clone() : cat([.. parts])).DetachFromDisposeScope();
    }

    /// <summary>The ranks' parts one after the other, on every rank.</summary>
    private static Tensor Joined(WeightLayer layer, List<Tensor> parts, IRanks ranks)
    {
        using IDisposable noGrad = no_grad();
        Tensor? own = null, whole = null;
        try
        {
            ranks.Together(() => own = parts.Count == 0 ? null : Joined(layer.Name, parts));
            double[][] shapes = [.. Enumerable.Range(0, ranks.Count).Select(from => ranks.Concatenate(from == ranks.Rank && own is not null ? [(double)own.dtype, .. own.shape.Select(size => (double)size)] : []))];
            double[][] filled = [.. shapes.Where(shape => shape.Length > 0)];
            if (filled.Length == 0 || filled.Any(shape => shape[0] != filled[0][0] || !shape.AsSpan(2).SequenceEqual(filled[0].AsSpan(2))))
            {
                throw SeveralShapes(layer.Name);
            }

            ranks.Together(() => whole = empty([(long)filled.Sum(shape => shape[1]), .. filled[0][2..].Select(size => (long)size)], (ScalarType)(int)filled[0][0], layer.Weight.device).DetachFromDisposeScope());
            long at = 0;
            for (int from = 0; from < ranks.Count; from++)
            {
                if (shapes[from].Length == 0)
                {
                    continue;
                }

                using Tensor rows = whole!.narrow(0, at, (long)shapes[from][1]);
                if (from == ranks.Rank)
                {
                    rows.copy_(own!);
                }

                ranks.Broadcast(rows, from);
                at += rows.shape[0];
            }

            return whole!;
        }
        catch
        {
            whole?.Dispose();
            throw;
        }
        finally
        {
            own?.Dispose();
        }
    }

    private static CurvatureException SeveralShapes(string layer) => new($"Layer '{layer}' is called with inputs of several shapes, so that they make no one set of samples. Leave it out of calibration.");
}

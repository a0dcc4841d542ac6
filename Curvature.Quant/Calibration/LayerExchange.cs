using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>A layer that one rank has calibrated, on all of them. Collective.</summary>
internal static class LayerExchange
{
    private const int Codes = 4, None = -1;

    /// <summary>The layer: on the rank that has it what it is, on every other a copy of it, to the bit.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="layer">Which one, in floating point.</param>
    /// <param name="bits">Of its weight.</param>
    /// <param name="from">Whose it is.</param>
    /// <param name="own">Looked at on that rank.</param>
    public static QuantizedLayer Share(IRanks ranks, WeightLayer layer, int bits, int from, QuantizedLayer? own)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        bool sends = ranks.Rank == from;
        double[] told = ranks.Concatenate(sends ? Numbers(own!) : []);
        (bool hasBias, int grids) = (told[0] != 0, (int)told[1]);
        Tensor? weight = null, bias = null;
        ranks.Together(() =>
        {
            weight = sends ? own!.Weight.contiguous() : empty(layer.Weight.shape, layer.Weight.dtype, layer.Weight.device);
            if (hasBias)
            {
                Tensor like = LayerFunction.BiasOf(layer)!;
                bias = sends ? own!.Bias!.contiguous() : empty(like.shape, like.dtype, like.device);
            }
        });
        ranks.Broadcast(weight!, from);
        if (bias is not null)
        {
            ranks.Broadcast(bias, from);
        }

        if (sends)
        {
            return own!;
        }

        AffineCodes[] codes = [.. told[6..].Chunk(Codes).Select(grid => new AffineCodes(grid[0], (int)grid[1], (int)grid[2], (int)grid[3]))];
        return new QuantizedLayer(layer.Name, bits, weight!, codes[..grids])
        {
            Bias = bias?.DetachFromDisposeScope(),
            Input = codes.Length > grids ? codes[grids] : null,
            InputBits = told[2] == None ? null : (int)told[2],
            StartError = told[3],
            Error = told[4],
            Steps = (int)told[5],
        };
    }

    private static double[] Numbers(QuantizedLayer layer) =>
    [
        layer.Bias is null ? 0 : 1, layer.Grids.Count, layer.InputBits ?? None, layer.StartError!.Value, layer.Error!.Value, layer.Steps,
        .. layer.Grids.Concat(layer.Input is { } input ? [input] : (AffineCodes[])[]).SelectMany(grid => (double[])[grid.Scale, grid.Zero, grid.Lowest, grid.Highest]),
    ];
}

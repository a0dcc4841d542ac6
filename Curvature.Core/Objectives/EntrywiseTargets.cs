using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>The rule of losses with one term per output entry.</summary>
internal static class EntrywiseTargets
{
    /// <summary>Targets have the outputs' shape, but for a trailing 1 that may be missing.</summary>
    public static void Check(string loss, Tensor outputs, Tensor targets)
    {
        ReadOnlySpan<long> z = outputs.shape, y = targets.shape;
        bool fits = z.SequenceEqual(y) || (z.Length == y.Length + 1 && z[^1] == 1 && z[..^1].SequenceEqual(y));
        if (!fits)
        {
            string remedy = targets.dtype == ScalarType.Int64 && z.Length == y.Length + 1
                ? "Integer labels of classes call for cross-entropy."
                : "Save y in the shape of what the model returns.";
            throw new CurvatureException(
                $"{loss} expects targets of the outputs' shape; got outputs {KnownLosses.Shape(outputs)} and targets {KnownLosses.Shape(targets)}. {remedy}");
        }
    }

    /// <summary>What one entry's term counts in <c>weight * loss</c>.</summary>
    public static double Share(ISupervisedLoss loss, Tensor outputs, double weight) =>
        loss.Reduction == Reduction.Mean ? weight / outputs.numel() : weight;
}

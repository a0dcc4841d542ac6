using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>The losses of single examples: each the value that the loss has for that row alone.</summary>
internal static class ExampleLosses
{
    /// <summary><c>[N]</c> with its graph where gradients are on, and the share of each row in the batch's terms, not divided by them: the loss terms of the row for means, 1 for sums. A row without terms has loss 0.</summary>
    public static (Tensor Losses, double[] Terms) Of(SplitBatch batch)
    {
        (Tensor z, Tensor y) = batch.Evaluate();
        Tensor counted = y.cpu(); // terms are numbers of the host: one transfer in place of one a row
        Tensor[] losses = new Tensor[z.shape[0]];
        double[] terms = new double[losses.Length];
        for (int i = 0; i < losses.Length; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor target = y.narrow(0, i, 1);
            terms[i] = batch.Loss.Reduction == Reduction.Mean ? batch.Loss.Terms(counted.narrow(0, i, 1)) : 1;
            losses[i] = (terms[i] > 0 ? batch.Loss.Value(z.narrow(0, i, 1), target).reshape(1) : zeros(1, z.dtype, z.device)).MoveToOuterDisposeScope();
        }

        return (ParameterSpace.Join(losses), terms);
    }
}

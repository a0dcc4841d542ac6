using Curvature.Layers;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// Pulls columns of the loss Hessian's root, draws, or observed gradients back to the outputs of a recorded batch's layers, a backward pass each.
/// </summary>
/// <param name="space">The chosen parameters.</param>
/// <param name="options">Which gradients.</param>
internal sealed class LayerGradients(ParameterSpace space, KfacOptions options)
{
    /// <summary>Visits every column.</summary>
    /// <param name="z">The model's outputs with their graph.</param>
    /// <param name="curvature">Of the loss at z.</param>
    /// <param name="tape">The layers' calls.</param>
    /// <param name="uses">What they are to the parameters.</param>
    /// <param name="whole">Parameters whose gradient of the whole batch is wanted.</param>
    /// <param name="noise">Makes the random numbers of draw i from a seed.</param>
    /// <param name="visit">Gets each column, valid while it runs.</param>
    public void Visit(
        Tensor z, OutputCurvature curvature, LayerTape tape, (int Call, ParameterUse Use)[][] uses, int[] whole, Func<int, int, SampleNoise> noise, Action<PulledBack> visit)
    {
        Tensor[] ends = [.. tape.Calls.Select(c => c.Output), .. whole.Select(i => space.Parameters[i])];
        int calls = tape.Calls.Count, index = 0;
        foreach (Tensor column in Columns(curvature, noise))
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor s = whole.Length > 0 && IsFixed ? column.mul(Signs(column, noise, index)) : column;
            Tensor?[] g = Gradients.VectorJacobianProduct([z], [s], ends);
            visit(new PulledBack(uses, g[..calls], whole.Select((i, k) => (i, g[calls + k])).ToDictionary()));
            column.Dispose();
            index++;
        }
    }

    /// <summary>Whether the columns are not drawn: whole batches' gradients then need random signs.</summary>
    private bool IsFixed => options.Gradients is FactorGradients.Exact or FactorGradients.Empirical;

    private IEnumerable<Tensor> Columns(OutputCurvature curvature, Func<int, int, SampleNoise> noise) => options.Gradients switch
    {
        FactorGradients.Exact => ExactColumns(curvature),
        FactorGradients.Empirical => [curvature.ObservedGradient()],
        FactorGradients.Identity => Draws(curvature, noise, 1),
        FactorGradients.MonteCarlo => Draws(curvature, noise, options.Samples),
        _ => throw new CurvatureException($"There are no factor gradients {options.Gradients}."),
    };

    private static IEnumerable<Tensor> ExactColumns(OutputCurvature curvature)
    {
        for (long position = 0; position < curvature.Positions; position++)
        {
            for (long column = 0; column < curvature.Columns; column++)
            {
                yield return curvature.RootColumn(column, position);
            }
        }
    }

    private IEnumerable<Tensor> Draws(OutputCurvature curvature, Func<int, int, SampleNoise> noise, int count)
    {
        for (int i = 0; i < count; i++)
        {
            using SampleNoise numbers = noise(options.Seed, i);
            Tensor draw = curvature.SampleGradient(numbers);
            yield return count == 1 ? draw : draw.mul_(1 / Math.Sqrt(count));
        }
    }

    /// <summary>A sign a sample: what squares of a single sample do not see.</summary>
    private Tensor Signs(Tensor column, Func<int, int, SampleNoise> noise, int index)
    {
        using SampleNoise numbers = noise(options.Seed ^ 0x5167, index);
        long[] shape = [column.shape[0], .. Enumerable.Repeat(1L, (int)column.dim() - 1)];
        return numbers.Uniform(shape, column.device).lt(0.5).to(column.dtype).mul_(2).sub_(1);
    }
}

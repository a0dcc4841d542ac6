using Curvature.Layers;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// The trace of each layer's diagonal block of the GGN, without a single matrix-vector product:
/// <c>tr G_l = sum_n sum_c |J_nl^T s_nc|^2</c>, s_nc the columns of a square root of the loss's Hessian in sample n's outputs. <c>J_nl^T s_nc</c> is a per-sample gradient
/// of layer l, whose norm comes from the layer's inputs and the gradients of its outputs (summed over the layer's positions and calls before it is
/// squared), so that a backward pass a column serves all layers and samples. Reductions, weights and L2 as for <see cref="GgnOperator"/>.
/// <para>
/// Where the outputs are piecewise linear in a layer (ReLU networks: linear layers, convolutions, batch norm in evaluation mode, pooling), the Hessian's
/// block has the same trace: the residual's part of the Hessian, <c>sum_k dl/dz_k d^2 z_k / dtheta_l^2</c>, is zero there. This is checked, and
/// <see cref="ExactLayerTrace.Obstacle"/> says by name what stands in the way: smooth activations, layer norm, attention, tied weights.
/// </para>
/// <para>
/// Cost: a forward pass and, for C classes (or C outputs), C backward passes without the parameters' gradients, each about half a gradient (times the positions that
/// have a class of their own); with <see cref="Draws"/>, as many as those, unbiased and with a standard error. The checks take a backward pass of the
/// first batch and second derivatives of two rows. Memory: what the layers see, for convolutions times the kernel's size.
/// </para>
/// <para>
/// Hooks record what the layers see, so TorchScript is refused: it gets the stochastic trace. Dangel, Kunstner, Hennig 2020, BackPACK: Packing More into
/// Backprop, section 2.3 (exact and sampled roots of the loss Hessian); the Gram route to per-sample norms is Goodfellow 2015, Efficient Per-Example
/// Gradient Computations.
/// </para>
/// </summary>
public sealed record ExactLayerTraces
{
    /// <value>
    /// Gradients drawn from the model's own predictive distribution in place of all columns: a Monte-Carlo trace, for many classes. Null (default): exact.
    /// </value>
    public int? Draws { get; init; }

    /// <value>Seed of the draws; draw i of a sample depends on (Seed, row of the data, i) alone.</value>
    public int Seed { get; init; }

    /// <value>Whether a layer whose Hessian block may have another trace is an error (default false: it says so in its <see cref="ExactLayerTrace.Obstacle"/>).</value>
    public bool RequireHessian { get; init; }

    /// <summary>Measures the traces.</summary>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>).</param>
    /// <param name="model">The C# model that it evaluates.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">
    /// TorchScript, train-mode batch norm, a layer whose per-sample gradients are not known, samples that see each other, a parameter that acts outside its
    /// layer; with <see cref="RequireHessian"/> a layer that the Hessian treats otherwise: each by name.
    /// </exception>
    public ExactTraceEstimate Estimate(Objective objective, nn.Module model, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (Draws < 1)
        {
            throw new CurvatureException($"A Monte-Carlo trace takes at least one draw; got {Draws}.");
        }

        LayerPass pass = new(objective, model, Draws, Seed);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        ParameterSpace space = objective.Parameters;

        // One row a draw, or one for all columns; float64 on the device, read once at the end.
        Tensor sums = zeros([Draws ?? 1, space.Parameters.Count], ScalarType.Float64, space.Device);
        pass.Run((draw, parameter, uses) => sums[Draws is null ? 0 : draw, parameter].add_(ParameterUse.SquaredNorm(uses)), progress, cancellation);
        objective.Ranks.Sum(sums);
        double[] values = sums.mul_(pass.Scale).cpu().data<double>().ToArray();

        string?[] obstacles = objective.FromHolder(() => PiecewiseLinearity.Obstacles(objective, pass.Modules, pass.Uses), cancellation);
        if (RequireHessian)
        {
            PiecewiseLinearity.Require(space, obstacles, "trace", nameof(HutchinsonTrace));
        }

        double[][] draws = [.. values.Chunk(space.Parameters.Count)];
        Estimate Of(IReadOnlyList<int> indices, long entries)
        {
            double[] samples = [.. draws.Select(row => indices.Sum(i => row[i]) + (objective.L2 * entries))];
            return Draws is null ? Estimators.Estimate.Exact(samples[0], pass.BackwardPasses) : Estimators.Estimate.FromSamples(samples, pass.BackwardPasses);
        }

        return new ExactTraceEstimate(
            Of([.. Enumerable.Range(0, space.Parameters.Count)], space.Count),
            [.. space.Layers.Select((layer, l) => new ExactLayerTrace(layer.Name, layer.Count, Of(layer.Indices, layer.Count), obstacles[l]))]);
    }
}

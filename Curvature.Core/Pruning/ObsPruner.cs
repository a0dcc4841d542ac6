using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Pruning;

/// <summary>
/// Optimal Brain Surgeon with an M-FAC inverse (Hassibi, Stork 1993; Frantar, Kurtic, Alistarh 2021, sections 3.1 and 4.1): of the weights left those go whose
/// <c>score_i = w_i^2 / (2 [F^{-1}]_ii)</c> is lowest, the increase of the quadratic model of the loss if weight i alone went and the others made up for it; then the others,
/// biases included, do so. F is <c>lambda I</c> plus the covariance of mini-batch gradients at the present weights. The sparsity is reached in steps of one factor
/// in density (<see cref="PruningSchedule"/>), with new gradients and a new inverse at each: the quadratic model holds near the point it was made at.
/// <para>
/// Cost: a step takes m gradients, <c>O(d m^2)</c> twice, and m d entries of memory. Departures from the paper's code: the update is the exact one for all weights of a step
/// (<see cref="PruningUpdate"/>), and gradients of pruned weights count as zero, so that what is gone stays out of the model. Deterministic. Over several ranks each makes the gradients of its batches and holds its columns of all of them
/// (<see cref="ShardedMfacInverse"/>), and all prune alike.
/// </para>
/// </summary>
public sealed record ObsPruner : IPruner
{
    /// <inheritdoc/>
    public double Sparsity { get; init; } = 0.9;

    /// <value>Steps, each with gradients of its own (default 16).</value>
    public int Steps { get; init; } = 16;

    /// <value>m: the first m batches of the objective, a gradient each; null (the default): all of them.</value>
    public long? Gradients { get; init; }

    /// <value>Damping, blocks and pages of the inverse (default: 1e-5, one block).</value>
    public MfacOptions Matrix { get; init; } = new();

    /// <value>How the other weights make up for those that go (default: exactly).</value>
    public PruningUpdate Update { get; init; } = PruningUpdate.Joint;

    /// <inheritdoc/>
    public PruningResult Prune(Objective objective, IProgress<PruningProgress>? progress = null, CancellationToken cancellation = default)
    {
        using DisposeScope scope = NewDisposeScope();
        using Weights weights = new(objective.Parameters, Sparsity);
        IReadOnlyList<double> sparsities = PruningSchedule.Geometric(weights.Sparsity, Sparsity, Steps);
        var steps = new List<PruningStep>();
        foreach (double sparsity in sparsities)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor alive = weights.Mask().logical_not(), theta = weights.Theta();
            using LinearOperator inverse = Inverse(objective, alive, cancellation);
            weights.Take(Scores(theta, inverse), sparsity);
            (Tensor? change, double? increase) = Change(theta, weights.Mask(), alive, inverse);
            weights.Write(change);
            steps.Add(new PruningStep(weights.Sparsity, increase));
            progress?.Report(new PruningProgress(steps.Count, sparsities.Count, weights.Sparsity));
        }

        return weights.Finish(steps);
    }

    /// <summary>Of one process, or with the gradients spread over the ranks that share the data.</summary>
    private LinearOperator Inverse(Objective objective, Tensor alive, CancellationToken cancellation)
    {
        if (objective.Ranks.Count == 1)
        {
            return MfacInverse.FromBatches(objective, Gradients, Matrix, alive, cancellation);
        }

        Matrix.Check();
        return Gradients is null && Matrix.BlockSize is null
            ? ShardedMfacInverse.FromBatches(objective, Matrix.Damping, alive, cancellation)
            : throw new CurvatureException("Over several ranks the gradients are those of all batches and the inverse is of the whole matrix: leave Gradients and BlockSize out, or prune in one process.");
    }

    /// <summary><c>w_i^2 / (2 [F^{-1}]_ii)</c>.</summary>
    private static Tensor Scores(Tensor w, LinearOperator inverse) => w.square().div(Diagonal(inverse).mul(2));

    private static Tensor Diagonal(LinearOperator inverse) => inverse is ShardedMfacInverse sharded ? sharded.Diagonal() : ((MfacInverse)inverse).Diagonal();

    private static MfacElimination Eliminate(LinearOperator inverse, Tensor w, Tensor gone) => inverse is ShardedMfacInverse sharded ? sharded.Eliminate(w, gone) : ((MfacInverse)inverse).Eliminate(w, gone);

    private (Tensor? Change, double? Increase) Change(Tensor w, Tensor gone, Tensor alive, LinearOperator inverse)
    {
        switch (Update)
        {
            case PruningUpdate.Joint:
                MfacElimination elimination = Eliminate(inverse, w, gone);
                return (elimination.Change, elimination.Increase);
            case PruningUpdate.Independent:
                Tensor asked = w.mul(gone.to(w.dtype)).div(Diagonal(inverse));
                return (inverse.Apply(asked).neg().mul(alive.to(w.dtype)), null);
            default:
                return (null, null);
        }
    }
}

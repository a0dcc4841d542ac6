using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// A loss's second derivative in the model's outputs z, positive semi-definite and block-diagonal over its <em>samples</em>: for cross-entropy
/// a sample is a label (one row, or one position of a row, with its C classes), for losses with one term per entry it is a row with all its
/// entries. Everything here includes the reduction (<c>1 / number of terms</c> for means) and the weight it was made with.
/// Tensors passed and returned have the outputs' shape and dtype; results are new tensors of the caller's scope, without graph.
/// </summary>
public abstract class OutputCurvature : IDisposable
{
    private readonly ISupervisedLoss _loss;
    private readonly Tensor _outputs;
    private readonly Tensor _targets;

    /// <param name="loss">The loss.</param>
    /// <param name="outputs">z; a handle is kept.</param>
    /// <param name="targets">y; a handle is kept.</param>
    protected OutputCurvature(ISupervisedLoss loss, Tensor outputs, Tensor targets)
    {
        _loss = loss;
        _outputs = outputs.detach().DetachFromDisposeScope();
        _targets = targets.alias().DetachFromDisposeScope();
    }

    /// <summary>Columns of the square root: the number of classes, or of entries of a row.</summary>
    public abstract long Columns { get; }

    /// <summary>Positions of a row that have a class each; 1 for losses with one term per entry.</summary>
    public abstract long Positions { get; }

    /// <summary>z, without graph.</summary>
    protected Tensor Outputs => _outputs;

    /// <summary><c>H_l u</c>, the Hessian's product; two temporaries of the outputs' size at most.</summary>
    public abstract Tensor Product(Tensor u);

    /// <summary>
    /// The loss's gradient in z for targets drawn from the model's own predictive distribution, scaled so that <c>E[g_s g_s^T]</c> is the Hessian of
    /// each sample s (and of each term): a categorical label for cross-entropy, <c>N(z, 1/2)</c> for squared error, a Bernoulli label for binary
    /// cross-entropy. Its mean is zero. Class weights and label smoothing scale the Hessian of a term and nothing else, so they scale g by the root.
    /// </summary>
    /// <param name="noise">The random numbers, a row a row of the outputs, used in float64 whatever the outputs' dtype.</param>
    public abstract Tensor SampleGradient(SampleNoise noise);

    /// <summary>The same from a generator; the global random state is not touched.</summary>
    /// <param name="generator">The source of randomness.</param>
    public Tensor SampleGradient(Generator generator)
    {
        using SampleNoise noise = SampleNoise.Of(generator);
        return SampleGradient(noise);
    }

    /// <summary>
    /// The gradient at the targets observed, scaled so that <c>sum_s g_s g_s^T</c> is the empirical Fisher matrix in the outputs:
    /// <c>(1/M) sum_s</c> over the M samples for means, a sample with class weight c counting c times; <c>sum_s</c> for sums.
    /// See <see cref="Operators.EmpiricalFisherOperator"/>.
    /// </summary>
    public Tensor ObservedGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? gradient;
        using (enable_grad())
        {
            Tensor z = _outputs.detach().requires_grad_();
            gradient = Gradients.Of(_loss.Value(z, _targets), [z], createGraph: false)[0];
        }

        using IDisposable noGrad = no_grad();
        return (gradient is null ? zeros_like(_outputs) : ScaleToSamples(gradient)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// What the loss's own gradients are multiplied by, row by row, to be those of <see cref="ObservedGradient"/>, <c>[N]</c> or <c>[1]</c>, in the caller's scope: a layer's gradients too, which are linear in the
    /// outputs' row. Null where the positions of a row differ.
    /// </summary>
    internal virtual Tensor? RowScale() => null;

    /// <summary><c>g_s (g_s^T u_s)</c> for each sample s: the product of <c>sum_s g_s g_s^T</c>.</summary>
    public abstract Tensor OuterProduct(Tensor g, Tensor u);

    /// <summary>
    /// One column of a square root of the Hessian, for all samples at once. At one position (the other positions zero), over all columns and
    /// positions <c>sum S S^T</c> within a row is the Hessian in that row's outputs; with all positions at once, <c>sum S S^T</c> over the columns is the
    /// Hessian of each sample, and what it holds between two positions of a row is no part of the Hessian.
    /// </summary>
    /// <param name="column">From 0 to <see cref="Columns"/> - 1.</param>
    /// <param name="position">From 0 to <see cref="Positions"/> - 1; null: all at once.</param>
    public abstract Tensor RootColumn(long column, long? position = null);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the curvature holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
        _outputs.Dispose();
        _targets.Dispose();
    }

    /// <summary>The gradient of the unweighted loss, scaled as <see cref="ObservedGradient"/> says.</summary>
    protected abstract Tensor ScaleToSamples(Tensor gradient);

    /// <summary>Refuses a column or position that is not there.</summary>
    protected void CheckColumn(long column, long? position)
    {
        if (column < 0 || column >= Columns || position < 0 || position >= Positions)
        {
            throw new CurvatureException(
                $"The square root has columns 0 to {Columns - 1} and positions 0 to {Positions - 1}; asked for column {column}, position {position}.");
        }
    }
}

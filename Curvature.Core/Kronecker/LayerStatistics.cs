using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>What is gathered for one block of parameters, as sums over samples that fade from update to update.</summary>
/// <param name="name">The block.</param>
/// <param name="indices">Positions of its parameters in the parameter space.</param>
/// <param name="kind">What it is.</param>
internal abstract class LayerStatistics(string name, IReadOnlyList<int> indices, BlockKind kind) : IDisposable
{
    /// <summary>The block.</summary>
    public string Name => name;

    /// <summary>Positions of its parameters in the parameter space.</summary>
    public IReadOnlyList<int> Indices => indices;

    /// <summary>What it is.</summary>
    public BlockKind Kind => kind;

    /// <summary>The sums by their names in a state.</summary>
    public abstract IReadOnlyList<(string Key, DecayedSum Sum)> Sums { get; }

    /// <summary>Takes up one column of the loss Hessian's root (or one draw), pulled back to the layers.</summary>
    public abstract void AddGradients(PulledBack column);

    /// <summary>Called after a batch's last column.</summary>
    /// <param name="last">That column, for what the layers were given.</param>
    /// <param name="identity">The factor on the identity where that stands for G; null elsewhere.</param>
    public virtual void EndBatch(PulledBack last, double? identity)
    {
    }

    /// <summary>Columns of whole batches' gradients that wait for the batch's other parts.</summary>
    public virtual int Columns => 0;

    /// <summary>What the present update has brought, whole: to be summed over ranks in place.</summary>
    /// <param name="columns">The most <see cref="Columns"/> that a rank has.</param>
    public virtual IEnumerable<Tensor> Brought(int columns) => Sums.Select(s => s.Sum.Whole());

    /// <summary>Called after the last part of a batch.</summary>
    public virtual void EndParts()
    {
    }

    /// <summary>A block of this kind, or its inverse, from the tensors that one is made of (<see cref="LayerBlock.Parts"/>).</summary>
    /// <param name="parts">Taken over, unless they are refused.</param>
    /// <exception cref="CurvatureException">One is missing, or of another shape or dtype.</exception>
    public abstract LayerBlock Restore(IReadOnlyDictionary<string, Tensor> parts);

    /// <summary>The block as a matrix, a copy.</summary>
    /// <param name="weight">What the sums over gradients are divided by.</param>
    public abstract LayerBlock ToBlock(double weight);

    /// <summary>Gives the sums, before the first update is folded, what makes the average start as the identity.</summary>
    /// <param name="weight">Weight of the identity.</param>
    /// <param name="share">That, in weights of the present update.</param>
    public virtual void StartAtIdentity(double weight, double share)
    {
        foreach ((_, DecayedSum sum) in Sums)
        {
            (sum.Value.dim() == 2 ? sum.Value.diagonal() : sum.Value).add_(weight);
        }
    }

    /// <summary>Multiplies what the present update has added of gradients' squares.</summary>
    public virtual void ScaleGradients(double factor)
    {
        foreach ((_, DecayedSum sum) in Sums)
        {
            sum.Scale(factor);
        }
    }

    /// <summary>Makes the next sums of the present update, which are looked at from then on.</summary>
    public void Fold(double decay)
    {
        foreach ((_, DecayedSum sum) in Sums)
        {
            sum.Fold(decay);
        }
    }

    /// <summary>Ends the present update, in place: what it has brought is in the sums.</summary>
    public void TakeUp(double decay)
    {
        foreach ((_, DecayedSum sum) in Sums)
        {
            sum.TakeUp(decay);
        }
    }

    /// <summary>Ends the present update: the next sums are the sums.</summary>
    public void Settle()
    {
        foreach ((_, DecayedSum sum) in Sums)
        {
            sum.Settle();
        }
    }

    /// <summary>Forgets the present update.</summary>
    public virtual void Drop()
    {
        foreach ((_, DecayedSum sum) in Sums)
        {
            sum.Drop();
        }
    }

    /// <summary>A part that a block is to be made of.</summary>
    /// <param name="parts">What there is.</param>
    /// <param name="key">Its name.</param>
    /// <param name="dtype">What it should be of.</param>
    /// <param name="fits">Whether a shape is right.</param>
    /// <exception cref="CurvatureException">It is missing, or of another shape or dtype.</exception>
    protected Tensor Require(IReadOnlyDictionary<string, Tensor> parts, string key, ScalarType dtype, Func<long[], bool> fits)
    {
        if (!parts.TryGetValue(key, out Tensor? part))
        {
            throw new CurvatureException($"The state of the layer '{Name}' has no inverse '{key}'; it has {string.Join(", ", parts.Keys)}.");
        }

        return part.dtype == dtype && fits(part.shape)
            ? part
            : throw new CurvatureException($"The inverse '{key}' of the layer '{Name}' is [{string.Join(", ", part.shape)}] of {part.dtype}, which does not fit the layer: the state belongs to another model, or is damaged.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Drop();
        foreach ((_, DecayedSum sum) in Sums)
        {
            sum.Dispose();
        }
    }
}

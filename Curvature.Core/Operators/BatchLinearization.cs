using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// One batch's share of a curvature matrix at fixed parameters: what an operator keeps between products. Whatever it holds is detached
/// from every dispose scope and released with it.
/// </summary>
public abstract class BatchLinearization : IDisposable
{
    /// <summary>Whether it stays valid after the pass it was made in; not where it must evaluate the batch again.</summary>
    public virtual bool CanBeKept => true;

    /// <summary>The product with v, one part per parameter, null where zero; new tensors of the current scope, without graph.</summary>
    /// <param name="v">One part per parameter, in the parameters' shapes.</param>
    public abstract IReadOnlyList<Tensor?> Apply(IReadOnlyList<Tensor> v);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases the graph.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

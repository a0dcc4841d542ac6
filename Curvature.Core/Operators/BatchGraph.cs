namespace Curvature.Operators;

/// <summary>
/// What an operator keeps of one batch between products, at fixed parameters. Whatever it holds is detached from every dispose scope and
/// released with it.
/// </summary>
public abstract class BatchGraph : IDisposable
{
    /// <summary>Whether it stays valid after the pass it was made in; not where it must evaluate the batch again.</summary>
    public virtual bool CanBeKept => true;

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

using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// What an operator keeps of one batch between products, at fixed parameters. Whatever it holds is detached from every dispose scope and
/// released with it.
/// </summary>
public abstract class BatchGraph : IDisposable
{
    /// <summary>Whether it stays valid after the pass it was made in; not where it must evaluate the batch again.</summary>
    public virtual bool CanBeKept => true;

    /// <summary>Asked before a kept graph is used again: what it would know of the device, a Boolean vector of the current scope, for whose <see cref="Answer"/> the host waits once for all graphs together. Null: nothing.</summary>
    internal virtual Tensor? Question() => null;

    /// <summary>Tells what was asked.</summary>
    internal virtual void Answer(IReadOnlyList<bool> answers)
    {
    }

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

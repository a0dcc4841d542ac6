using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>
/// Tells whether parameters were written to by an in-place operator, be it with the values they had. A graph that saved such a parameter
/// refuses to be differentiated, and inside <c>autograd.grad</c> that ends the process. TorchSharp shows no version counters, so a tiny graph
/// that saves one entry of each parameter (a detached view, which shares its counter) is differentiated first, through the guarded
/// <c>autograd.backward</c>.
/// </summary>
internal sealed class VersionSentinel : IDisposable
{
    private readonly Tensor[] _entries;
    private readonly Tensor _sum;

    public VersionSentinel(IEnumerable<Tensor> parameters)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable grad = enable_grad();
        _entries = [.. parameters.Where(p => p.numel() > 0).Select(p =>
            FirstEntry(p).requires_grad_().DetachFromDisposeScope())];
        _sum = stack(_entries.Select(e => e.dot(e))).sum().DetachFromDisposeScope();
    }

    /// <summary>The first entry, <c>[1]</c>: always a view, whatever the memory format (reshaping a channels-last weight would copy it).</summary>
    public static Tensor FirstEntry(Tensor tensor)
    {
        Tensor entry = tensor.detach();
        for (int d = 0; d < tensor.dim(); d++)
        {
            entry = entry.narrow(d, 0, 1);
        }

        return entry.view(1);
    }

    /// <summary>Whether every parameter is as the graphs made since then saved it.</summary>
    public bool IsIntact()
    {
        try
        {
            autograd.backward([_sum], retain_graph: true, inputs: _entries);
            return true;
        }
        catch (ExternalException)
        {
            return false;
        }
        finally
        {
            foreach (Tensor entry in _entries)
            {
                entry.grad = null;
            }
        }
    }

    public void Dispose()
    {
        _sum.Dispose();
        foreach (Tensor entry in _entries)
        {
            entry.Dispose();
        }
    }
}

using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// <c>S_k = rho S_(k-1) + x_k</c>: a sum over updates in which older ones fade. What an update adds is gathered apart and becomes part of it by <see cref="Fold"/>, so that a broken batch
/// can be dropped.
/// </summary>
internal sealed class DecayedSum(long[] shape, ScalarType dtype, Device device) : IDisposable
{
    private readonly Tensor _sum = zeros(shape, dtype, device).DetachFromDisposeScope();
    private Tensor? _present;

    /// <summary>S.</summary>
    public Tensor Value => _sum;

    /// <summary>What the present update has added so far; null: nothing.</summary>
    public Tensor? Present => _present;

    /// <summary>Adds to the present update; x may be of another floating dtype and lives in the caller's scope.</summary>
    public void Add(Tensor x)
    {
        if (_present is null)
        {
            _present = x.to(_sum.dtype, copy: true).DetachFromDisposeScope();
        }
        else
        {
            _present.add_(x.to(_sum.dtype));
        }
    }

    /// <summary>Adds up what the ranks' present updates have added; collective.</summary>
    public void SumOver(IRanks ranks) => ranks.Sum(Whole());

    /// <summary>What the present update has added, zeros where that is nothing; contiguous and live.</summary>
    public Tensor Whole()
    {
        if (_present is null)
        {
            return _present = zeros_like(_sum).DetachFromDisposeScope();
        }

        if (!_present.is_contiguous())
        {
            using Tensor before = _present;
            _present = before.contiguous().DetachFromDisposeScope();
        }

        return _present;
    }

    /// <summary>Multiplies what the present update has added.</summary>
    public void Scale(double factor) => _present?.mul_(factor);

    /// <summary>Ends the present update.</summary>
    public void Fold(double decay)
    {
        if (decay != 1)
        {
            _sum.mul_(decay);
        }

        if (_present is not null)
        {
            _sum.add_(_present);
            Drop();
        }
    }

    /// <summary>Forgets the present update.</summary>
    public void Drop()
    {
        _present?.Dispose();
        _present = null;
    }

    /// <summary>Replaces S.</summary>
    /// <exception cref="CurvatureException">Another shape.</exception>
    public void Load(Tensor value, string key)
    {
        if (!value.shape.AsSpan().SequenceEqual(_sum.shape) || value.dtype != _sum.dtype)
        {
            throw new CurvatureException(
                $"The state's '{key}' is [{string.Join(", ", value.shape)}] of {value.dtype}; expected [{string.Join(", ", _sum.shape)}] of {_sum.dtype}: it belongs to another model or to other options.");
        }

        _sum.copy_(value);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Drop();
        _sum.Dispose();
    }
}

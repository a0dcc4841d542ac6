using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// <c>S_k = rho S_(k-1) + x_k</c>: a sum over updates in which older ones fade. What an update adds is gathered apart; <see cref="Fold"/> makes the next sum of it, which is looked at from then on and becomes the sum by
/// <see cref="Settle"/>, so that an update can be dropped until then, at the price of S once more; <see cref="TakeUp"/> makes it in place. Takes no memory before it is looked at.
/// </summary>
internal sealed class DecayedSum(long[] shape, ScalarType dtype, Device device) : IDisposable
{
    private Tensor? _sum, _present, _next;

    /// <summary>Of S.</summary>
    public ScalarType DType => dtype;

    /// <summary>Sizes of S.</summary>
    public long[] Shape => shape;

    /// <summary>S, or what it is to become.</summary>
    public Tensor Value => _next ?? Settled;

    /// <summary>What the present update has added so far; null: nothing.</summary>
    public Tensor? Present => _present;

    private Tensor Settled => _sum ??= zeros(shape, dtype, device).DetachFromDisposeScope();

    /// <summary>Adds to the present update; x may be of another floating dtype. It is new memory, which becomes this object's: what the caller makes of it later shows here.</summary>
    public void Add(Tensor x)
    {
        if (_present is null)
        {
            _present = x.to(dtype).DetachFromDisposeScope();
        }
        else
        {
            _present.add_(x.to(dtype));
        }
    }

    /// <summary>Adds up what the ranks' present updates have added; collective.</summary>
    public void SumOver(IRanks ranks) => ranks.Sum(Whole());

    /// <summary>What the present update has added, zeros where that is nothing; contiguous and live.</summary>
    public Tensor Whole()
    {
        if (_present is null)
        {
            return _present = zeros(shape, dtype, device).DetachFromDisposeScope();
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

    /// <summary>Makes the next sum of the present update.</summary>
    public void Fold(double decay)
    {
        Tensor before = Settled.mul(decay).DetachFromDisposeScope();
        if (_present is null)
        {
            _next = before;
            return;
        }

        (_next, _present) = (_present.add_(before), null);
        before.Dispose();
    }

    /// <summary>Adds the present update in place, to the bits of <see cref="Fold"/> and <see cref="Settle"/>.</summary>
    public void TakeUp(double decay)
    {
        if (decay != 1)
        {
            Settled.mul_(decay);
        }

        if (_present is not null)
        {
            Settled.add_(_present);
        }

        Drop();
    }

    /// <summary>The next sum becomes the sum, in the same memory.</summary>
    public void Settle()
    {
        Settled.copy_(Value);
        Drop();
    }

    /// <summary>Forgets the present update and what it was to make of the sum.</summary>
    public void Drop()
    {
        _present?.Dispose();
        _next?.Dispose();
        (_present, _next) = (null, null);
    }

    /// <summary>Replaces S.</summary>
    /// <exception cref="CurvatureException">Another shape.</exception>
    public void Load(Tensor value, string key)
    {
        if (!value.shape.AsSpan().SequenceEqual(shape) || value.dtype != dtype)
        {
            throw new CurvatureException(
                $"The state's '{key}' is [{string.Join(", ", value.shape)}] of {value.dtype}; expected [{string.Join(", ", shape)}] of {dtype}: it belongs to another model or to other options.");
        }

        Settled.copy_(value);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Drop();
        _sum?.Dispose();
    }
}

using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>Samples in random order, some at a time, each once before any comes again. A seed gives one order.</summary>
internal sealed class SampleOrder : IDisposable
{
    private readonly Generator _generator;
    private readonly long _count, _size;
    private Tensor? _order;
    private long _at;

    public SampleOrder(long count, long size, ulong seed) => (_count, _size, _generator) = (count, Math.Min(size, count), new Generator(seed));

    /// <summary>The next rows, int64 on the CPU; a rest too small for a batch is left out.</summary>
    public Tensor Next()
    {
        if (_order is null || _at + _size > _count)
        {
            _order?.Dispose();
            _order = randperm(_count, generator: _generator).DetachFromDisposeScope();
            _at = 0;
        }

        _at += _size;
        return _order.narrow(0, _at - _size, _size);
    }

    public void Dispose()
    {
        _order?.Dispose();
        _generator.Dispose();
    }
}

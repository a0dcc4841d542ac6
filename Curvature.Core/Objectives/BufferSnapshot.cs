using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// Copies of a module's buffers (running statistics), written back on disposal. In CPU memory they are written as bytes: an in-place
/// operator would advance the buffers' version counters and so invalidate the graphs that hold them, although those of train mode never
/// read them.
/// </summary>
internal sealed class BufferSnapshot : IDisposable
{
    private readonly (Tensor Buffer, Tensor Copy)[] _pairs;

    public BufferSnapshot(nn.Module module)
    {
        using IDisposable noGrad = no_grad();
        _pairs = [.. module.named_buffers().Select(b => (b.buffer, b.buffer.clone().DetachFromDisposeScope()))];
    }

    public void Dispose()
    {
        using IDisposable noGrad = no_grad();
        foreach ((Tensor buffer, Tensor copy) in _pairs)
        {
            if (buffer.device.type == DeviceType.CPU && buffer.is_contiguous())
            {
                copy.bytes.CopyTo(buffer.bytes);
            }
            else
            {
                buffer.copy_(copy);
            }

            copy.Dispose();
        }
    }
}

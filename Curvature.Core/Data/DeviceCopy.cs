using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// Copies to where a computation runs. From main memory to a GPU they go by pinned memory and do not block: the host puts the values there while the device still works on what it was given before, and goes on without
/// waiting for the transfer, which takes its place in the device's queue. (A copy from pageable memory waits for both.) The transfer itself does not run beside a kernel: TorchSharp has no streams to put it on.
/// </summary>
internal static class DeviceCopy
{
    /// <summary>The values, or where they are differentiated a copy that is part of the graph and waited for, in that type on that device, in the caller's scope; a second handle where nothing changes. On the way to a GPU the type is changed on the side where the values take less room.</summary>
    public static Tensor To(Tensor t, ScalarType dtype, Device device)
    {
        if (t.device.type != DeviceType.CPU || device.type != DeviceType.CUDA)
        {
            return t.dtype == dtype && t.device.type == device.type && (t.device.index == device.index || device.index < 0) ? t.alias() : t.to(dtype, device);
        }

        if (t.requires_grad)
        {
            return t.to(dtype, device);
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor pinned = (dtype.ElementSize() < t.ElementSize ? t.to(dtype) : t).contiguous().pin_memory();
        return pinned.to(device, non_blocking: true).to(dtype).MoveToOuterDisposeScope();
    }
}

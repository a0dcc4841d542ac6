using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>What an <see cref="MfacInverse"/> takes, in bytes, told before anything is allocated.</summary>
/// <param name="Window">The m gradients, which become the whitened rows V in place; the B x B inverses are made from them.</param>
/// <param name="Page">The longest page of them.</param>
/// <param name="Factors">The float64 Cholesky factors, m x m a block; or the float64 inverses of small blocks, B x B.</param>
/// <param name="Work">Buffers while it is made, and the diagonal.</param>
/// <param name="Pages">Into how many pages the window is split; more than one lie in main memory.</param>
public sealed record MfacMemory(long Window, long Page, long Factors, long Work, int Pages)
{
    /// <summary>Bytes on the gradients' device.</summary>
    public long OnDevice => Page + Factors + Work;

    /// <summary>The estimate for m gradients of d entries.</summary>
    /// <param name="gradients">m.</param>
    /// <param name="parameters">d.</param>
    /// <param name="dtype">Of the gradients.</param>
    /// <param name="device">Where they are worked on.</param>
    /// <param name="options">Blocks, pages and limit.</param>
    /// <exception cref="CurvatureException">More than the limit even in pages of one row, or options that are none.</exception>
    public static MfacMemory Estimate(long gradients, long parameters, ScalarType dtype, Device device, MfacOptions options)
    {
        options.Check();
        long size = dtype.ElementSize(), block = Math.Min(options.BlockSize ?? parameters, parameters), blocks = (parameters + block - 1) / block;
        double window = (double)gradients * parameters * size;
        double factors = (double)blocks * (block > gradients ? gradients * gradients : block * block) * sizeof(double);
        double work = (2.0 * gradients * gradients * sizeof(double)) + (3.0 * ColumnStretches.Bytes) + ((double)parameters * size);
        double limit = options.MemoryLimit ?? DeviceMemory.Free(device) ?? double.PositiveInfinity;
        if (options.MemoryLimit is null && device.type != DeviceType.CPU && window + factors + work > limit)
        {
            limit = DeviceMemory.FreeAfterRelease(device)!.Value; // libtorch may hold what seems taken
        }

        double row = (double)parameters * size;
        int pages = options.Pages ?? 1;
        if (options.Pages is null && device.type != DeviceType.CPU && window + factors + work > limit)
        {
            pages = (int)Math.Ceiling(gradients / Math.Clamp(Math.Floor((limit - factors - work) / row), 1, gradients));
        }

        // On the CPU pages lie where all else lies.
        double page = device.type == DeviceType.CPU ? window : Math.Ceiling((double)gradients / pages) * row;
        double needed = page + factors + work, inMainMemory = pages > 1 && device.type != DeviceType.CPU ? window : 0;
        return pages <= gradients && needed <= limit && inMainMemory <= HostMemory.Free()
            ? new MfacMemory((long)window, (long)page, (long)factors, (long)work, pages)
            : throw TooLarge(gradients, parameters, pages, needed > limit ? needed : inMainMemory, needed > limit ? limit : HostMemory.Free());
    }

    private static CurvatureException TooLarge(long gradients, long parameters, int pages, double needed, double limit) => pages > gradients
        ? new CurvatureException($"{pages} pages cannot share {gradients} gradients: a page holds at least one.")
        : new CurvatureException(FormattableString.Invariant(
            $"{gradients} gradients of {parameters} parameters take {needed / (1L << 30):f2} GiB, and {limit / (1L << 30):f2} GiB may be taken. ")
            + "Use fewer gradients, fewer parameters (ParameterSpace.Of(model, glob)), blocks of at most as many parameters as there are gradients, or float32.");
}

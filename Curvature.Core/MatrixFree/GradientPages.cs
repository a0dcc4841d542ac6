using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>m rows of d entries in p pages: one on the device it is worked on, several in main memory.</summary>
internal sealed class GradientPages : IDisposable
{
    private readonly Tensor[] _pages;

    /// <param name="rows">m.</param>
    /// <param name="columns">d.</param>
    /// <param name="count">p, at most m.</param>
    /// <param name="dtype">Of the entries.</param>
    /// <param name="device">Where the rows are worked on.</param>
    public GradientPages(long rows, long columns, int count, ScalarType dtype, Device device)
    {
        (Rows, Columns, DType, Device) = (rows, columns, dtype, device);
        using DisposeScope scope = NewDisposeScope();
        _pages = [.. Enumerable.Range(0, count).Select(q =>
            empty([(rows / count) + (q < rows % count ? 1 : 0), columns], dtype, count > 1 ? CPU : device).DetachFromDisposeScope())];
    }

    public long Rows { get; }

    public long Columns { get; }

    public ScalarType DType { get; }

    public Device Device { get; }

    /// <summary>The pages one after the other, each with its first row, on the device. What a visit makes is gone after it.</summary>
    public void Visit(Action<Tensor, long> visit)
    {
        long first = 0;
        foreach (Tensor page in _pages)
        {
            using DisposeScope scope = NewDisposeScope();
            visit(page.to(Device), first);
            first += page.shape[0];
        }
    }

    /// <summary>Row j where it lies, a view in the caller's scope.</summary>
    public Tensor Row(long j)
    {
        int page = 0;
        while (j >= _pages[page].shape[0])
        {
            j -= _pages[page++].shape[0];
        }

        return _pages[page].select(0, j);
    }

    /// <summary>Sets everything to zero.</summary>
    public void Clear()
    {
        foreach (Tensor page in _pages)
        {
            page.fill_(0);
        }
    }

    /// <summary>Writes some columns of some rows.</summary>
    /// <param name="row">The first row.</param>
    /// <param name="column">The first column.</param>
    /// <param name="values"><c>[rows, columns]</c>, on any device.</param>
    public void Set(long row, long column, Tensor values)
    {
        using DisposeScope scope = NewDisposeScope();
        long start = 0;
        foreach (Tensor page in _pages)
        {
            (long first, long end) = (Math.Max(row, start), Math.Min(row + values.shape[0], start + page.shape[0]));
            if (first < end)
            {
                page.narrow(0, first - start, end - first).narrow(1, column, values.shape[1]).copy_(values.narrow(0, first - row, end - first));
            }

            start += page.shape[0];
        }
    }

    /// <summary>All rows of some blocks side by side, in float64 on the device, <c>[blocks, m, width]</c>, in the caller's scope.</summary>
    /// <param name="first">The first column of the first block.</param>
    /// <param name="blocks">How many blocks.</param>
    /// <param name="width">Columns of each.</param>
    public Tensor Columns64(long first, long blocks, long width)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] parts = [.. _pages.Select(page => Blocks(page, first, blocks, width).to(ScalarType.Float64, Device))];
        return (parts.Length == 1 ? parts[0].contiguous() : cat(parts, 1)).MoveToOuterDisposeScope();
    }

    /// <summary>Writes such columns back.</summary>
    public void SetColumns(long first, Tensor values)
    {
        using DisposeScope scope = NewDisposeScope();
        long row = 0;
        foreach (Tensor page in _pages)
        {
            Blocks(page, first, values.shape[0], values.shape[2]).copy_(values.narrow(1, row, page.shape[0]));
            row += page.shape[0];
        }
    }

    public void Dispose()
    {
        foreach (Tensor page in _pages)
        {
            page.Dispose();
        }
    }

    /// <summary>A view of blocks side by side, <c>[rows, columns]</c> to <c>[blocks, rows, width]</c>.</summary>
    internal static Tensor Blocks(Tensor page, long first, long blocks, long width) =>
        page.narrow(1, first, blocks * width).view(page.shape[0], blocks, width).permute(1, 0, 2);
}

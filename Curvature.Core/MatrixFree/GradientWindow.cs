using Curvature.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>
/// The rows of a window G <c>[m, d]</c> in their storage type, and the two passes over them: <c>G x</c> and <c>G^T w</c>, both in float64. On the CPU a pass reads every
/// entry once (<see cref="WideningPasses{T, TLoad}"/>); elsewhere stretches of columns are converted. Rows that were never set are zero and not read.
/// </summary>
internal sealed class GradientWindow : IDisposable
{
    private readonly Tensor[] _rows; // views

    /// <param name="capacity">m.</param>
    /// <param name="columns">d.</param>
    /// <param name="storage">float32, float64 or bfloat16.</param>
    /// <param name="device">Where it lies.</param>
    /// <param name="rows">G itself, under a handle of its own; null for zeros.</param>
    public GradientWindow(long capacity, long columns, ScalarType storage, Device device, Tensor? rows = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Rows = (rows?.alias() ?? zeros([capacity, columns], storage, device)).DetachFromDisposeScope();
        _rows = [.. Enumerable.Range(0, (int)capacity).Select(j => Rows.select(0, j).DetachFromDisposeScope())];
    }

    /// <summary>G, live.</summary>
    public Tensor Rows { get; }

    /// <summary>How many of the first rows have been set.</summary>
    public int Filled { get; set; }

    private bool InMainMemory => Rows.device.type == DeviceType.CPU;

    /// <summary>Row j as it is stored; it stays this object's.</summary>
    public Tensor Row(int j) => _rows[j];

    /// <summary>Stores a row, rounded to the storage type.</summary>
    public void Set(int j, Tensor gradient)
    {
        _rows[j].copy_(gradient);
        Filled = Math.Max(Filled, j + 1);
    }

    /// <summary><c>G x</c> for <c>x [d]</c> of float64 or of the storage type: <c>[m]</c>, float64 on the CPU, in the caller's scope.</summary>
    public Tensor Products(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor products = zeros(Rows.shape[0], ScalarType.Float64);
        if (Filled > 0)
        {
            Tensor filled = products.narrow(0, 0, Filled);
            filled.copy_(InMainMemory ? tensor(WidenedProducts(x)) : ConvertedProducts(x));
        }

        return products.MoveToOuterDisposeScope();
    }

    /// <summary><c>y + G^T w</c> into <c>y [d]</c> of float64 or float32 on the window's device, for float64 <c>w [m]</c> on the CPU: sums in float64, rounded once; y.</summary>
    public Tensor AddCombination(Tensor w, Tensor y)
    {
        if (InMainMemory)
        {
            AddWidened(w.data<double>().ToArray(), y);
            return y;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor weights = DeviceCopy.To(w.narrow(0, 0, Filled), ScalarType.Float64, Rows.device);
        foreach ((long first, long count) in ColumnStretches.Of(Math.Max(1, Filled), Rows.shape[1]))
        {
            using DisposeScope inner = NewDisposeScope();
            y.narrow(0, first, count).add_(Converted(first, count).t().mv(weights));
        }

        return y;
    }

    public void Dispose()
    {
        foreach (Tensor row in _rows)
        {
            row.Dispose();
        }

        Rows.Dispose();
    }

    private double[] WidenedProducts(Tensor x) => Rows.dtype switch
    {
        ScalarType.Float32 => Passes<float, FromFloat32>().Products(x),
        ScalarType.BFloat16 => Passes<ushort, FromBFloat16>().Products(x),
        _ => Passes<double, FromFloat64>().Products(x),
    };

    private void AddWidened(double[] w, Tensor y)
    {
        switch (Rows.dtype)
        {
            case ScalarType.Float32:
                Passes<float, FromFloat32>().AddCombination(w, y);
                break;
            case ScalarType.BFloat16:
                Passes<ushort, FromBFloat16>().AddCombination(w, y);
                break;
            default:
                Passes<double, FromFloat64>().AddCombination(w, y);
                break;
        }
    }

    private WideningPasses<T, TLoad> Passes<T, TLoad>() where T : unmanaged where TLoad : IWideningLoad<T> =>
        new(_rows[..Filled], (int)Rows.shape[1]);

    private Tensor ConvertedProducts(Tensor x)
    {
        Tensor wide = x.to(ScalarType.Float64), sum = zeros(Filled, ScalarType.Float64, Rows.device);
        foreach ((long first, long count) in ColumnStretches.Of(Filled, Rows.shape[1]))
        {
            using DisposeScope scope = NewDisposeScope();
            sum.add_(Converted(first, count).mv(wide.narrow(0, first, count)));
        }

        return sum;
    }

    private Tensor Converted(long first, long count) => Rows.narrow(0, 0, Filled).narrow(1, first, count).to(ScalarType.Float64);
}

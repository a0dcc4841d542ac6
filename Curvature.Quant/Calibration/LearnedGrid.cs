using Curvature.Quant.Quantizers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// Grids whose scale and, where they are affine, zero point are learned, with straight-through rounding. With <c>u = x / s</c>, <c>c = clamp(round(u), lowest - z, highest - z)</c> the value is
/// <c>Q(x) = s c</c> and its derivatives are taken as <c>dQ/dx = 1</c> inside and 0 where it clips, <c>dQ/ds = c - u</c> inside and c where it clips (Esser et al. 2020, LSQ), <c>dQ/dz = -s</c> where it clips. The
/// scale is <c>s_0 exp(r rho)</c> and the zero point <c>round(z_0 + r (highest - lowest) zeta)</c>, so that one step of size 1 in rho or zeta is a step of the rate r whatever the unit of x is.
/// </summary>
internal sealed class LearnedGrid : IDisposable
{
    private readonly Tensor _start;
    private readonly Tensor? _zero;
    private readonly double _rate;
    private readonly int _lowest, _highest;
    private readonly Parameter _logScale;
    private readonly Parameter? _shift;


    /// <param name="grids">One, or one for each slice along x's first dimension.</param>
    /// <param name="rank">Dimensions of x.</param>
    /// <param name="dtype">Of x.</param>
    /// <param name="device">Of x.</param>
    /// <param name="rate">Relative change of the scale, and of the zero point in spans of the grid, for a step of size 1.</param>
    public LearnedGrid(IReadOnlyList<AffineCodes> grids, long rank, ScalarType dtype, Device device, double rate)
    {
        long[] shape = grids.Count == 1 ? [1] : [grids.Count, .. Enumerable.Repeat(1L, (int)rank - 1)];
        using DisposeScope scope = NewDisposeScope();
        _start = tensor([.. grids.Select(grid => grid.Scale)], ScalarType.Float64).to(dtype, device).reshape(shape).DetachFromDisposeScope();
        _logScale = new Parameter(zeros(shape, dtype, device));
        _logScale.DetachFromDisposeScope();
        (_lowest, _highest, _rate) = (grids[0].Lowest, grids[0].Highest, rate);
        if (grids.Any(grid => grid.Zero != 0))
        {
            _zero = tensor([.. grids.Select(grid => (double)grid.Zero)], ScalarType.Float64).to(dtype, device).reshape(shape).DetachFromDisposeScope();
            _shift = new Parameter(zeros(shape, dtype, device));
            _shift.DetachFromDisposeScope();
        }
    }

    /// <summary>What is learned.</summary>
    public IEnumerable<Parameter> Parameters => _shift is null ? [_logScale] : [_logScale, _shift];

    /// <summary>Distance of neighbouring values to begin with, in a shape that goes with x.</summary>
    public Tensor Steps() => _start.clone();

    /// <summary>The grids as they are.</summary>
    public AffineCodes[] Grids()
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (Tensor s, Tensor? z) = Now();
        double[] scales = Read(s), zeros = z is null ? new double[scales.Length] : Read(z);
        return [.. scales.Zip(zeros, (scale, zero) => new AffineCodes(scale, (int)zero, _lowest, _highest))];
    }

    /// <summary><c>Q(x)</c>; in a graph where gradients are on.</summary>
    public Tensor Quantize(Tensor x)
    {
        Tensor s, q, ofScale, inside;
        bool learns = is_grad_enabled();
        using (no_grad())
        {
            (s, Tensor? z) = Now();
            Tensor steps = x.div(s).round();
            Tensor c = z is null ? steps.clamp(_lowest, _highest) : steps.add(z).clamp(_lowest, _highest).sub_(z);
            q = c.mul(s);
            if (!learns)
            {
                return q;
            }

            inside = c.eq(steps).to(x.dtype);
            ofScale = q.sub(inside.mul(x)).mul_(_rate); // dQ/d log s = s dQ/ds
        }

        Tensor y = q.add(ofScale.mul(_logScale.sub(_logScale.detach())));
        if (_shift is not null)
        {
            y = y.add(inside.sub(ones_like(inside)).mul_(s).mul_(ZeroRate).mul(_shift.sub(_shift.detach())));
        }

        return x.requires_grad ? y.add(inside.mul(x.sub(x.detach()))) : y;
    }

    public void Dispose()
    {
        foreach (Tensor? tensor in (Tensor?[])[_start, _zero, _logScale, _shift])
        {
            tensor?.Dispose();
        }
    }

    private double ZeroRate => _rate * (_highest - _lowest);

    private (Tensor Scale, Tensor? Zero) Now() =>
        (_start.mul(_logScale.mul(_rate).exp()), _zero?.add(_shift!.mul(ZeroRate)).round().clamp(_lowest, _highest));

    private static double[] Read(Tensor x) => x.detach().to(ScalarType.Float64).reshape(-1).cpu().data<double>().ToArray();
}

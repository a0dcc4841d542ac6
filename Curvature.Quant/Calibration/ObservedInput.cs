using Curvature.Objectives;
using Curvature.Quant.Quantizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>What calibration saw of one layer's input: extremes, and a sample of values where a range needs one. Nothing is read back before the end.</summary>
internal sealed class ObservedInput : IDisposable
{
    /// <summary>Values that a range is fitted to, at most: a fit passes over them about a hundred times.</summary>
    private const int MostValues = 1 << 14;

    private readonly ActivationOptions _options;
    private readonly List<(Tensor Low, Tensor High, long Samples, long PerSample)> _calls = [];
    private readonly List<Tensor> _values = [];
    private readonly Dictionary<int, AffineCodes> _grids = [];
    private double[] _sample = [];

    public ObservedInput(ActivationOptions options) => _options = options;

    public double Low { get; private set; }

    public double High { get; private set; }

    /// <summary>Entries of one sample's input, over all calls of a pass alike; 0 before any.</summary>
    public long PerSample { get; private set; }

    /// <summary>Takes note of one call's input <c>[N, ...]</c>, on its device.</summary>
    public void See(Tensor input, Generator generator)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor x = input.detach().flatten(1 < input.dim() ? 1 : 0);
        (Tensor low, Tensor high) = _options.Extremes == ActivationExtremes.MeanOfSamples && x.dim() == 2
            ? (x.neg().max(1).values.neg().mean(), x.max(1).values.mean())
            : (x.min(), x.max());
        _calls.Add((low.DetachFromDisposeScope(), high.DetachFromDisposeScope(), input.shape[0], input.numel() / input.shape[0]));
        if (_options.Range is not MinMaxRange)
        {
            Tensor at = randint(x.numel(), new long[] { Math.Min(_options.ValuesPerBatch, x.numel()) }, generator: generator);
            _values.Add(x.reshape(-1).index_select(0, at.to(x.device)).DetachFromDisposeScope());
        }
    }

    /// <summary>Reads back what was seen, and puts what all ranks saw one after the other. Collective.</summary>
    /// <exception cref="NonFiniteException">The layer saw NaN or infinity.</exception>
    public void Close(string layer, IRanks ranks)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        double[] lows = [], highs = [], drawn = [];
        ranks.Together(() =>
        {
            (lows, highs) = (Read([.. _calls.Select(call => call.Low)]), Read([.. _calls.Select(call => call.High)]));
            drawn = [.. _values.SelectMany(values => values.to(ScalarType.Float64).cpu().data<double>().ToArray())];
        });
        double[][] calls = [.. ranks.Concatenate([.. _calls.SelectMany((call, i) => (double[])[lows[i], highs[i], call.Samples, call.PerSample])]).Chunk(4)];
        (Low, High) = (Together(calls, 0, Math.Min), Together(calls, 1, Math.Max));
        PerSample = (long)calls[^1][3];
        double[] counts = ranks.Gather(drawn.Length);
        (long before, long stride) = ((long)counts.Take(ranks.Rank).Sum(), ((long)counts.Sum() + MostValues - 1) / MostValues);
        _sample = ranks.Concatenate(stride > 1 ? [.. drawn.Where((_, i) => (before + i) % stride == 0)] : drawn);
        if (!double.IsFinite(Low) || !double.IsFinite(High) || ranks.Sum(drawn.Count(value => !double.IsFinite(value))) > 0)
        {
            throw new NonFiniteException($"The input of layer '{layer}' has values that are not finite: from {Low} to {High} on the calibration data. Look at the data and the layers before it.");
        }

        Dispose();
    }

    /// <summary>The grid of a width.</summary>
    public AffineCodes Grid(int bits)
    {
        if (!_grids.TryGetValue(bits, out AffineCodes grid))
        {
            Quantizer quantizer = (_options.Quantizer ?? ActivationOptions.Hawq)(bits, Low);
            (double low, double high) = _options.Range is MinMaxRange ? (Low, High) : _options.Range.Of(_sample, quantizer.Grid);
            _grids[bits] = grid = quantizer.Grid(low, high);
        }

        return grid;
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _calls.SelectMany(call => (Tensor[])[call.Low, call.High]).Concat(_values))
        {
            tensor.Dispose();
        }

        _values.Clear();
    }

    private double Together(double[][] calls, int extreme, Func<double, double, double> further) => _options.Extremes switch
    {
        ActivationExtremes.All => calls.Select(call => call[extreme]).Aggregate(further),
        ActivationExtremes.MeanOfSamples => calls.Sum(call => call[extreme] * call[2]) / calls.Sum(call => call[2]),
        _ => calls.Select(call => call[extreme]).Aggregate((r, x) => (_options.Momentum * r) + ((1 - _options.Momentum) * x)),
    };

    private static double[] Read(Tensor[] scalars) => scalars.Length == 0 ? [] : stack(scalars).to(ScalarType.Float64).cpu().data<double>().ToArray();
}

using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>One layer's outputs in floating point, and the search for the quantized layer that gives them best.</summary>
internal sealed class LayerReconstruction : IDisposable
{
    /// <summary>
    /// Adam's. Gradients in V shrink as one over the weight's entries: 1e-8 would hold back a million of them, and this nothing. Squares of gradients from 1e-17 are normal numbers of float32,
    /// weighted by 1e-3 as Adam does too.
    /// </summary>
    private const double Epsilon = 1e-16;

    private readonly AdaQuant _options;
    private readonly WeightLayer _layer;
    private readonly Func<Tensor, Tensor, Tensor?, Tensor> _function;
    private readonly Tensor _weight, _seen, _targets;
    private readonly Tensor? _bias;
    private readonly QuantizedActivations? _activations;
    private readonly double _deviation;

    /// <param name="options">How to search.</param>
    /// <param name="layer">The layer, its weight and bias in floating point.</param>
    /// <param name="exact">Its inputs in floating point, <c>[N, ...]</c>, of which its outputs are the targets.</param>
    /// <param name="seen">The inputs that the quantized layer sees, row by row the same samples.</param>
    /// <param name="activations">Ranges of inputs; null: they are not quantized.</param>
    public LayerReconstruction(AdaQuant options, WeightLayer layer, Tensor exact, Tensor seen, QuantizedActivations? activations)
    {
        (_options, _layer, _seen, _activations) = (options, layer, seen, activations);
        _function = LayerFunction.Of(layer.Module)!;
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        _weight = layer.Weight.detach().clone().DetachFromDisposeScope();
        _bias = LayerFunction.BiasOf(layer)?.detach().clone().DetachFromDisposeScope();
        Tensor[] parts = [.. Ranges().Select(range => _function(exact.narrow(0, range.First, range.Count), _weight, _bias))];
        _targets = (parts.Length == 1 ? parts[0] : cat(parts)).DetachFromDisposeScope();
        _deviation = Math.Sqrt(_targets.var(unbiased: false).ToDouble());
    }

    private long Samples => _seen.shape[0];

    /// <summary>The layer at one width.</summary>
    public QuantizedLayer At(int bits, int inputBits, CancellationToken cancellation)
    {
        using QuantizedLayer rounded = QuantizedLayer.Round(_layer, bits, _activations, inputBits, _options.Quantizer);
        using DisposeScope scope = NewDisposeScope();
        using var candidate = new Candidate(this, rounded);
        double start = Error(candidate), best = start;
        if (!double.IsFinite(start))
        {
            throw new NonFiniteException(
                $"Layer '{_layer.Name}' at {bits} bits: the mean squared error of its outputs is {start} before anything is learned. Its inputs or bias hold NaN or infinity, or its outputs overflow {_targets.dtype}: look at the calibration data and the layers before it.");
        }

        Kept kept = Keep(candidate);
        using var order = new SampleOrder(Samples, _options.BatchSize, _options.Seed);
        int step = 0;
        for (int look = 1, worse = 0; look <= _options.Looks && worse < _options.Patience && best > 0; look++)
        {
            for (; step < (long)_options.Steps * look / _options.Looks; step++)
            {
                cancellation.ThrowIfCancellationRequested();
                candidate.Optimizer.ParamGroups.Single().LearningRate = 1 - ((double)step / _options.Steps);
                Descend(candidate, order, start);
            }

            double error = Error(candidate);
            worse = error < best ? 0 : worse + 1;
            if (error < best)
            {
                best = error;
                kept = Keep(candidate);
            }
        }

        return new QuantizedLayer(_layer.Name, bits, kept.Weight, kept.Grids)
        {
            Bias = kept.Bias?.DetachFromDisposeScope(),
            Input = kept.Input,
            InputBits = rounded.InputBits,
            StartError = start,
            Error = best,
            Steps = step,
        };
    }

    public void Dispose()
    {
        _weight.Dispose();
        _bias?.Dispose();
        _targets.Dispose();
    }

    /// <summary>One step of Adam on some samples; the objective is divided by its first value, so that no unit matters.</summary>
    private void Descend(Candidate candidate, SampleOrder order, double start)
    {
        using IDisposable grad = enable_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = order.Next().to(_seen.device);
        Tensor error = candidate.Outputs(_seen.index_select(0, rows)).sub(_targets.index_select(0, rows));
        candidate.Optimizer.zero_grad();
        error.square().mean().div(start).backward();
        candidate.Optimizer.step();
    }

    /// <summary>Mean squared error over all samples and entries.</summary>
    private double Error(Candidate candidate)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor sum = zeros(1, ScalarType.Float64, _targets.device);
        foreach ((long first, long count) in Ranges())
        {
            using DisposeScope inner = NewDisposeScope();
            sum.add_(candidate.Outputs(_seen.narrow(0, first, count)).sub(_targets.narrow(0, first, count)).square().sum(ScalarType.Float64));
        }

        return sum.ToDouble() / _targets.numel();
    }

    private static Kept Keep(Candidate candidate)
    {
        using IDisposable noGrad = no_grad();
        return new Kept(candidate.Weight().detach(), candidate.Bias()?.detach().clone(), candidate.WeightGrid.Grids(), candidate.InputGrid?.Grids()[0]);
    }

    private IEnumerable<(long First, long Count)> Ranges()
    {
        for (long first = 0; first < Samples; first += _options.BatchSize)
        {
            yield return (first, Math.Min(_options.BatchSize, Samples - first));
        }
    }

    private sealed record Kept(Tensor Weight, Tensor? Bias, AffineCodes[] Grids, AffineCodes? Input);

    /// <summary>What is learned, and the layer that it makes.</summary>
    private sealed class Candidate : IDisposable
    {
        private readonly LayerReconstruction _of;
        private readonly Tensor _unit;
        private readonly Parameter _v;
        private readonly Parameter? _b;

        public Candidate(LayerReconstruction of, QuantizedLayer rounded)
        {
            (AdaQuant options, Tensor weight, Tensor x) = (of._options, of._weight, of._seen);
            _of = of;
            WeightGrid = new LearnedGrid(rounded.Grids, weight.dim(), weight.dtype, weight.device, options.WeightRangeRate);
            InputGrid = rounded.Input is { } input ? new LearnedGrid([input], x.dim(), x.dtype, x.device, options.InputRangeRate) : null;
            _unit = WeightGrid.Steps().mul(options.WeightRate);
            _v = new Parameter(zeros_like(weight));
            _b = of._bias is null ? null : new Parameter(zeros_like(of._bias));
            Optimizer = optim.Adam([.. WeightGrid.Parameters, .. InputGrid?.Parameters ?? [], _v, .. _b is null ? (Parameter[])[] : [_b]], lr: 1, eps: Epsilon);
        }

        public LearnedGrid WeightGrid { get; }

        public LearnedGrid? InputGrid { get; }

        public optim.Optimizer Optimizer { get; }

        public Tensor Weight() => WeightGrid.Quantize(_of._weight.add(_unit.mul(_v)));

        public Tensor? Bias() => _b is null ? null : _of._bias!.add(_b.mul(_of._options.BiasRate * _of._deviation));

        public Tensor Outputs(Tensor x) => _of._function(InputGrid?.Quantize(x) ?? x, Weight(), Bias());

        public void Dispose()
        {
            Optimizer.Dispose();
            WeightGrid.Dispose();
            InputGrid?.Dispose();
        }
    }
}

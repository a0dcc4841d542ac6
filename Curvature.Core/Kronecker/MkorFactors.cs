using Curvature.Data;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// Momentum-enabled Kronecker factors by rank-1 updates: for each layer <c>s = W a + b</c> the inverses of the moving averages <c>L</c> of <c>g g^T</c> and <c>R</c> of <c>a a^T</c>, where a is a
/// mini-batch's mean input (a 1 appended for the bias) and g the mean of its N-scaled output gradients, that is for a mean loss the sum of its gradients in s over the rows. A step goes along
/// <c>L^-1 G R^-1</c>, G the gradient of the layer, with the length of G (<see cref="MkorOptions.Rescale"/>).
/// <para>
/// Cost: an update takes <c>d_in^2 + d_out^2</c> a layer, where KFAC's inverses take the cubes; a direction <c>d_in d_out (d_in + d_out)</c>. Memory: <c>d_in^2 + d_out^2</c> a layer, 2 bytes an
/// entry in half precision. What is given up: one vector stands for a whole batch, so that a factor sees the mean of its gradients and not their scatter.
/// </para>
/// <para>
/// Without randomness. A state goes on bit for bit (<see cref="StateDict"/>). Dispose it to release the inverses.
/// Mozaffari, Li, Zhang, Mehri Dehnavi 2023, MKOR: Momentum-Enabled Kronecker-Factor-Based Optimizer Using Rank-1 Updates. Departures: <see cref="MkorMode"/> says which recurrence; the
/// average starts at the scale of its first vector, not at I; the stabiliser is our own (the paper's mixes with I above a threshold that it gives no number for, and the package's can never act); weight and bias are one matrix.
/// </para>
/// </summary>
public sealed class MkorFactors : IDisposable
{
    private readonly Dictionary<string, (MkorLayer Layer, MomentumInverse Inputs, MomentumInverse Outputs)> _layers = new(StringComparer.Ordinal);

    /// <param name="layers">The layers, in the order of the parameters; <see cref="MkorLayer.Of(ParameterSpace)"/> finds them.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="dtype">Of vectors and gradients: float32 or float64.</param>
    /// <param name="device">Where they lie; null: the CPU.</param>
    /// <exception cref="CurvatureException">No layer, a name twice, sizes below 1, a decay, stabiliser or dtype out of range.</exception>
    public MkorFactors(IEnumerable<MkorLayer> layers, MkorOptions? options = null, ScalarType dtype = ScalarType.Float32, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(layers);
        Options = options ?? new MkorOptions();
        Require(Options, dtype);
        foreach (MkorLayer layer in layers)
        {
            if (layer.Outputs < 1 || layer.Inputs < 1 || _layers.ContainsKey(layer.Name))
            {
                throw new CurvatureException($"Layers have names of their own and at least one input and output; got '{layer.Name}' of {layer.Outputs} x {layer.Inputs}.");
            }

            MomentumInverse Side(string side, long size) => new($"The {side} of layer '{layer.Name}'", size, Options, dtype, device ?? CPU);
            _layers.Add(layer.Name, (layer, Side("inputs", layer.Columns), Side("outputs", layer.Outputs)));
        }

        if (_layers.Count == 0)
        {
            throw new CurvatureException("Momentum inverses are those of at least one layer; got none.");
        }

        (DType, Device) = (dtype, device ?? CPU);
    }

    /// <summary>Mode, decay, stabiliser, storage.</summary>
    public MkorOptions Options { get; }

    /// <summary>The layers, in order.</summary>
    public IReadOnlyList<MkorLayer> Layers => [.. _layers.Values.Select(entry => entry.Layer)];

    /// <summary>Of vectors and gradients.</summary>
    public ScalarType DType { get; }

    /// <summary>Where they lie.</summary>
    public Device Device { get; }

    /// <summary>P, the entries of a flat gradient: each layer's weight, row-major, and then its bias.</summary>
    public long Count => _layers.Values.Sum(entry => entry.Layer.Count);

    /// <summary>Takes in a mini-batch's vectors of one layer. Both are checked before either is used.</summary>
    /// <param name="layer">Its name.</param>
    /// <param name="a">The mean input <c>[Inputs]</c>, without the 1 of the bias.</param>
    /// <param name="g">The mean N-scaled gradient of the outputs <c>[Outputs]</c>.</param>
    /// <exception cref="NonFiniteException">
    /// An entry is NaN or infinite: the message names the layer, the factors are as they were. Or <see cref="MkorMode.Printed"/> has diverged, and starts anew.
    /// </exception>
    /// <exception cref="CurvatureException">
    /// No such layer, or another shape, dtype or device: the factors are as they were. Or rounding has cost an inverse without stabiliser its definiteness: start anew with one.
    /// </exception>
    public void Update(string layer, Tensor a, Tensor g)
    {
        (MkorLayer about, MomentumInverse inputs, MomentumInverse outputs) = Entry(layer);
        Require(about, "mean input a", a, about.Inputs, outputs.Updates);
        Require(about, "mean output gradient g", g, about.Outputs, outputs.Updates);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        inputs.Update(about.HasBias ? cat([a.detach(), ones(1, DType, Device)]) : a.detach());
        outputs.Update(g.detach());
    }

    /// <summary>The direction of a step against it: <c>L^-1 G R^-1</c> layer by layer, with the length of G where <see cref="MkorOptions.Rescale"/> says so.</summary>
    /// <param name="gradient">Flat, <c>[P]</c>.</param>
    /// <returns><c>[P]</c>, of the caller's scope.</returns>
    /// <exception cref="CurvatureException">Another shape, dtype or device.</exception>
    public Tensor Precondition(Tensor gradient)
    {
        Require("gradient", gradient, Count);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor direction = empty(Count, DType, Device);
        long first = 0;
        foreach (string name in _layers.Keys)
        {
            using DisposeScope inner = NewDisposeScope();
            MkorLayer layer = _layers[name].Layer;
            Tensor G = gradient.detach().narrow(0, first, layer.Count);
            direction.narrow(0, first, layer.Count).copy_(layer.Unpack(Direction(name, layer.Pack(G))));
            first += layer.Count;
        }

        return direction.MoveToOuterDisposeScope();
    }

    /// <summary>The inverses as a matrix over the flat parameters, without rescaling. It follows these factors and does not outlive them.</summary>
    public MkorInverse Inverse() => new(this);

    /// <summary>A layer's inverses <c>L^-1 [Outputs, Outputs]</c> and <c>R^-1 [Inputs (+ 1), Inputs (+ 1)]</c>, in float64, of the caller's scope.</summary>
    /// <exception cref="CurvatureException">No such layer.</exception>
    public (Tensor Outputs, Tensor Inputs) Inverses(string layer)
    {
        (_, MomentumInverse inputs, MomentumInverse outputs) = Entry(layer);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor Whole(MomentumInverse side) => side.Kept.to(ScalarType.Float64).mul(side.Scale).MoveToOuterDisposeScope();
        return (Whole(outputs), Whole(inputs));
    }

    /// <summary>
    /// For each layer <c>layer/inputs</c> and <c>layer/outputs</c>, the matrices as they are kept; <c>.../numbers</c>, float64 <c>[3]</c>: their scale, the mean eigenvalue of the moving average, the
    /// bound; <c>.../updates</c>, int64. Copies, the caller's to dispose. The options are not part of it: give the same again.
    /// </summary>
    public IReadOnlyDictionary<string, Tensor> StateDict()
    {
        using IDisposable noGrad = no_grad();
        Dictionary<string, Tensor> state = new(StringComparer.Ordinal);
        foreach (MkorLayer layer in Layers)
        {
            foreach ((string key, Tensor kept) in Kept(layer.Name))
            {
                state[$"{layer.Name}/{key}"] = kept.clone();
            }

            foreach ((string key, Tensor numbers) in Numbers(layer.Name))
            {
                state[$"{layer.Name}/{key}"] = numbers;
            }
        }

        return state;
    }

    /// <summary>Takes over a state of <see cref="StateDict"/>: what follows is bit for bit what would have followed there.</summary>
    /// <param name="state">Copied; stays the caller's.</param>
    /// <exception cref="CurvatureException">Entries missing or left over, of another shape or dtype, or not finite: by name. The factors are then as they were.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using IDisposable noGrad = no_grad();
        List<Action> loads = [];
        foreach ((string key, MomentumInverse side) in Sides())
        {
            Tensor kept = Entry(key, side.Kept.dtype, [side.Size, side.Size]);
            double[] numbers = Entry($"{key}/numbers", ScalarType.Float64, [3]).cpu().data<double>().ToArray();
            long updates = Entry($"{key}/updates", ScalarType.Int64, []).ToInt64();
            loads.Add(numbers is [> 0, >= 0, > 0] && updates >= 0
                ? () => side.Load(kept, numbers[0], numbers[1], numbers[2], updates)
                : throw new CurvatureException($"The state's '{key}' has a scale or a bound that is not positive, or a negative mean or number of updates."));
        }

        if (state.Count != 3 * loads.Count)
        {
            throw new CurvatureException($"The state has {state.Count} entries where these layers have {3 * loads.Count}: it belongs to other layers.");
        }

        loads.ForEach(load => load());

        Tensor Entry(string key, ScalarType dtype, long[] shape)
        {
            if (!state.TryGetValue(key, out Tensor? value) || value.dtype != dtype || !value.shape.SequenceEqual(shape))
            {
                throw new CurvatureException($"The state's '{key}' should be [{string.Join(", ", shape)}] of {dtype}; "
                    + (value is null ? $"it has {string.Join(", ", state.Keys)}." : $"it is [{string.Join(", ", value.shape)}] of {value.dtype}: it belongs to other layers or options."));
            }

            return Finite.Everywhere(value) ? value : throw new NonFiniteException($"The state's '{key}' is not finite: take an earlier one.");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, MomentumInverse side) in Sides())
        {
            side.Dispose();
        }
    }

    /// <summary><c>C_L X C_R</c> of a layer's matrix, without the scales: it stays in range however far they go.</summary>
    internal Tensor Sandwich(string layer, Tensor X)
    {
        (_, MomentumInverse inputs, MomentumInverse outputs) = _layers[layer];
        return outputs.Matrix().mm(X).mm(inputs.Matrix());
    }

    /// <summary>The direction of one layer's matrix G, with its length where <see cref="MkorOptions.Rescale"/> says so, in the caller's scope: no host synchronisation.</summary>
    internal Tensor Direction(string layer, Tensor G)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor D = Sandwich(layer, G);
        if (!Options.Rescale)
        {
            return D.mul(ScaleOf(layer)).MoveToOuterDisposeScope();
        }

        Tensor length = Length(D), factor = Length(G).div(length);
        return D.mul_(where(length.gt(0), factor, ones_like(factor))).MoveToOuterDisposeScope();
    }

    /// <summary>A layer's matrices as they are kept, by their names in its state; they stay this object's.</summary>
    internal IEnumerable<(string Key, Tensor Value)> Kept(string layer)
    {
        (_, MomentumInverse inputs, MomentumInverse outputs) = _layers[layer];
        return [("inputs", inputs.Kept), ("outputs", outputs.Kept)];
    }

    /// <summary>Scale, mean and bound, and the count of updates; the caller's.</summary>
    internal IEnumerable<(string Key, Tensor Value)> Numbers(string layer)
    {
        (_, MomentumInverse inputs, MomentumInverse outputs) = _layers[layer];
        foreach ((string key, MomentumInverse side) in new[] { ("inputs", inputs), ("outputs", outputs) })
        {
            yield return ($"{key}/numbers", tensor(new[] { side.Scale, side.Mean, side.Bound }));
            yield return ($"{key}/updates", tensor(side.Updates));
        }
    }

    /// <summary>The scales' product: <c>L^-1 X R^-1 = ScaleOf C_L X C_R</c>.</summary>
    internal double ScaleOf(string layer) => _layers[layer].Inputs.Scale * _layers[layer].Outputs.Scale;

    private IEnumerable<(string Key, MomentumInverse Side)> Sides() =>
        _layers.Values.SelectMany(entry => new[] { ($"{entry.Layer.Name}/inputs", entry.Inputs), ($"{entry.Layer.Name}/outputs", entry.Outputs) });

    /// <summary><c>|X|_F</c>, in one reading.</summary>
    private static Tensor Length(Tensor X)
    {
        Tensor x = X.reshape(-1);
        return x.dot(x).sqrt();
    }

    private (MkorLayer Layer, MomentumInverse Inputs, MomentumInverse Outputs) Entry(string layer) => _layers.TryGetValue(layer, out var entry)
        ? entry
        : throw new CurvatureException($"There is no layer '{layer}'; there are {string.Join(", ", _layers.Keys)}.");

    private static void Require(MkorOptions options, ScalarType dtype)
    {
        if (options.Decay is not (> 0 and < 1) || options.Stabiliser is not (>= 0 and < 1))
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"A decay lies in (0, 1) and a stabiliser in [0, 1), as a share of the mean eigenvalue; got {options.Decay} and {options.Stabiliser}."));
        }

        if (dtype is not (ScalarType.Float32 or ScalarType.Float64))
        {
            throw new CurvatureException($"Momentum inverses multiply in float32 or float64; got {dtype}. {nameof(MkorOptions.HalfPrecision)} keeps them in half precision.");
        }
    }

    private void Require(MkorLayer layer, string what, Tensor v, long length, long updates)
    {
        Require($"{what} of layer '{layer.Name}'", v, length);
        if (!Finite.Everywhere(v))
        {
            throw new NonFiniteException($"The {what} of layer '{layer.Name}' has NaN or infinite entries at update {updates + 1}. Skip the batch, or lower the learning rate.");
        }
    }

    private void Require(string what, Tensor v, long length)
    {
        if (v.dim() != 1 || v.shape[0] != length || v.dtype != DType || v.device.type != Device.type)
        {
            throw new CurvatureException($"The {what} should be [{length}] of {DType} on {Device}; got [{string.Join(", ", v.shape)}] of {v.dtype} on {v.device}.");
        }
    }
}

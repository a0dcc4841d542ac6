using Curvature.Layers;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <content>
/// What an optimizer needs: parts of a batch from a forward pass that is its own, factors and gradient from one backward pass, and an update that is made, or dropped, when all parts are in.
/// </content>
public sealed partial class KfacFactors : ILayerRecorder
{
    private bool _isRaw; // the parts' gradients are those of the whole loss, a mean over terms not yet counted
    private bool _isSum; // the loss is a sum

    /// <summary>What the parts since the last update have brought; all of it must be finite for <see cref="Commit"/>.</summary>
    /// <remarks>Where ranks divide the layers, one number for what all of them have: each sees its own alone.</remarks>
    IEnumerable<Tensor> ILayerRecorder.Brought => _isBroken is { } broken ? [full(1, broken ? double.NaN : 0, Parameters.DType, Parameters.Device)] : Blocks.SelectMany(b => b.Sums).Select(s => s.Sum.Present).OfType<Tensor>();

    /// <summary>The sums themselves, by their block's first parameter and the name in a state; where ranks divide the layers, this one's.</summary>
    internal IEnumerable<(int Parameter, string Key, Tensor Value)> Shared =>
        Own.SelectMany(b => b.Sums.Select(s => (b.Indices[0], $"{b.Name}/{s.Key}", s.Sum.Value)));

    /// <summary>What the sums over gradients are divided by.</summary>
    internal double Weight => _weight;

    /// <summary>What the last update added to it.</summary>
    internal double LastWeight { get; private set; }

    /// <summary>What the update that is being gathered weighs so far.</summary>
    internal double Present => _present;

    /// <summary>The kinds of the parameters' blocks, for a state; the caller's.</summary>
    internal Tensor KindsOfBlocks() => tensor(Kinds(Registered));

    /// <summary>Begins to record the layers.</summary>
    /// <param name="retainGradients">Whether a backward pass leaves gradients on their outputs.</param>
    LayerTape ILayerRecorder.Tape(bool retainGradients) => _layers.Record(retainGradients);

    /// <summary>Takes in a part that was evaluated under a tape, by the backward passes that the options name; the graph is kept.</summary>
    /// <param name="tape">Of the evaluation.</param>
    /// <param name="z">The model's outputs.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="loss">The loss.</param>
    /// <param name="firstRow">Rows of the batch before this part.</param>
    internal void Take(LayerTape tape, Tensor z, Tensor targets, ICurvatureLoss loss, long firstRow)
    {
        double weight = loss.Reduction == Reduction.Mean ? loss.Terms(targets) : 1;
        if (weight > 0)
        {
            int step = (int)Updates;
            Gather(z, targets, loss, weight, tape, (seed, i) => SampleNoise.At(Probes.SeedOf(seed, step, i), firstRow), visit: null);
            Count(weight, loss.Reduction);
        }
    }

    /// <summary>
    /// Takes in a part with the observed gradients, and returns the gradient of its value: one backward pass for both, unless the positions of a row have weights of their own.
    /// </summary>
    /// <param name="tape">Of the evaluation.</param>
    /// <param name="value">The share of the whole loss that the part contributes, <c>share * loss.Value(z, targets)</c>; its graph is freed.</param>
    /// <param name="z">The model's outputs.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="loss">The loss.</param>
    /// <param name="share">A factor.</param>
    /// <param name="firstRow">Rows of the batch before this part.</param>
    internal Tensor?[] TakeObserved(LayerTape tape, Tensor value, Tensor z, Tensor targets, ICurvatureLoss loss, double share, long firstRow)
    {
        double weight = loss.Reduction == Reduction.Mean ? loss.Terms(targets) : 1;
        using OutputCurvature? curvature = weight > 0 ? loss.CurvatureAt(z, targets, weight) : null;
        if (curvature?.RowScale() is not { } scale)
        {
            Take(tape, z, targets, loss, firstRow);
            return Gradients.Of(value, Parameters.Parameters, createGraph: false);
        }

        long samples = z.dim() == 0 ? 1 : z.shape[0];
        (int Call, ParameterUse Use)[][] uses = _layers.UsesOf(tape, samples);
        Register(z, tape, uses);
        (Tensor?[] ofCalls, Tensor?[] ofParameters) = Pull(tape, value);
        TakeGradients(uses, ofCalls, ofParameters, samples, Options.UnscaledGradients ? full(1, Math.Sqrt(weight / samples), z.dtype, z.device) : scale.div(share), IdentityScale(loss.Reduction, weight, samples));
        Count(weight, loss.Reduction);
        return ofParameters;
    }

    /// <summary>
    /// The same where the loss is a function alone: its rows are taken to be those of the call with the fewest, samples that do not see each other.
    /// </summary>
    /// <param name="tape">Of the evaluation.</param>
    /// <param name="value">The part's summand of the loss; its graph is freed.</param>
    /// <param name="terms">How many terms a mean has in this part; null: as many as the last call's outputs have positions.</param>
    /// <param name="reduction">The loss's.</param>
    internal Tensor?[] TakeObserved(LayerTape tape, Tensor value, double? terms, Reduction reduction)
    {
        (Tensor?[] ofCalls, Tensor?[] ofParameters) = Pull(tape, value);
        TakeObserved(tape, ofCalls, ofParameters, terms, reduction, isAlone: true);
        return ofParameters;
    }

    /// <summary>The same where the backward pass is done.</summary>
    /// <param name="tape">Of the evaluation.</param>
    /// <param name="ofCalls">Gradients of its calls' outputs.</param>
    /// <param name="ofParameters">Gradients of the parameters.</param>
    /// <param name="terms">As above.</param>
    /// <param name="reduction">The loss's.</param>
    /// <param name="isAlone">Whether the parameters' gradients are this part's alone.</param>
    internal void TakeObserved(LayerTape tape, Tensor?[] ofCalls, Tensor?[] ofParameters, double? terms, Reduction reduction, bool isAlone)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        if (ofCalls.All(g => g is null))
        {
            throw new CurvatureException("No gradient has arrived at a layer of the model: evaluate it by call(), in train mode and with gradients on.");
        }

        long samples = tape.Calls.Min(c => c.Output.shape[0]);
        (int Call, ParameterUse Use)[][] uses = _layers.UsesOf(tape, samples);
        Register(1, () => Obstacles(tape, samples, isAlone ? _layers.Missing(ofCalls, ofParameters, uses) : []));
        double weight = reduction == Reduction.Mean ? terms ?? PositionsOf(tape.Calls[^1]) : 1;
        TakeGradients(uses, ofCalls, ofParameters, samples, ones(1, Parameters.DType, Parameters.Device), IdentityScale(reduction, weight, samples));
        _isRaw = reduction == Reduction.Mean;
        Count(weight, reduction);
    }

    /// <inheritdoc/>
    void ILayerRecorder.Complete(IRanks ranks)
    {
        using IDisposable noGrad = no_grad();
        if (ranks.Count > 1)
        {
            SumOver(ranks);
        }

        CloseParts();
        if (ranks.Count > 1)
        {
            Judge(ranks);
        }
    }

    /// <summary>Known layers' parameters that no recorded call acts with.</summary>
    IEnumerable<int> ILayerRecorder.Uncalled(IEnumerable<LayerTape> tapes)
    {
        HashSet<int> called = [.. tapes.SelectMany(tape => tape.Calls).SelectMany(call => _layers.ParametersOf(call.Layer))];
        return Enumerable.Range(0, Parameters.Parameters.Count).Where(i => _layers.Obstacles[i] is null && !called.Contains(i));
    }

    /// <summary>What the parts have brought, which is finite, joins the factors as they are looked at from here on: until it is taken up by <see cref="Commit"/> it can be dropped.</summary>
    internal void Propose() => _proposed = TakeIn((block, decay) => block.Fold(decay));

    /// <summary>Makes an update of what was proposed; where nothing was, of what the parts have brought, in place.</summary>
    internal void Commit()
    {
        using IDisposable noGrad = no_grad();
        double weight = _proposed ?? TakeIn((block, decay) => block.TakeUp(decay));
        foreach (LayerStatistics block in _proposed is null ? [] : Own)
        {
            block.Settle();
        }

        (_weight, LastWeight) = (weight, _present);
        Updates++;
        Forget();
    }

    /// <summary>Lets what the parts have brought join the factors, a block's at a time; returns what their weight is to become.</summary>
    private double TakeIn(Action<LayerStatistics, double> join)
    {
        using IDisposable noGrad = no_grad();
        double decay = Decay, share = Options.StartsAtIdentity && Updates == 0 ? 1 / (1 - decay) : 0;
        foreach (LayerStatistics block in Own)
        {
            if (share > 0)
            {
                block.StartAtIdentity(share * _present, share);
            }

            if (_isRaw && !Options.UnscaledGradients)
            {
                block.ScaleGradients(_present * _present); // the gradients of single terms are M times those of their mean
            }

            join(block, decay);
        }

        return (decay * (_weight + (share * _present))) + _present;
    }

    /// <summary>Forgets the parts since the last update.</summary>
    void ILayerRecorder.Abandon() => Drop();

    /// <summary>A parameter's name.</summary>
    string ILayerRecorder.NameOf(int i) => Parameters.Names[i];

    /// <summary>What the next update leaves of the earlier ones.</summary>
    private double Decay => Options.StartsEven && (Updates + 1) * (1 - Options.Decay) <= 1 + 1e-9 ? 1 : Options.Decay;

    private void Count(double weight, Reduction reduction)
    {
        _isSum = reduction == Reduction.Sum;
        _present = _isSum ? 1 : _present + weight;
        _parts++;
    }

    private (Tensor?[] OfCalls, Tensor?[] OfParameters) Pull(LayerTape tape, Tensor value)
    {
        Tensor?[] g = Gradients.VectorJacobianProduct([value], [ones_like(value.detach())], [.. tape.Calls.Select(c => c.Output), .. Parameters.Parameters], keepGraph: false);
        return (g[..tape.Calls.Count], g[tape.Calls.Count..]);
    }

    /// <summary>Adds a part's gradients, which come from one backward pass.</summary>
    /// <param name="uses">What the calls are to the parameters.</param>
    /// <param name="ofCalls">Gradients of the calls' outputs.</param>
    /// <param name="ofParameters">Gradients of the parameters.</param>
    /// <param name="samples">Rows.</param>
    /// <param name="scale">What a row's gradients are multiplied by, <c>[N]</c> or <c>[1]</c>.</param>
    /// <param name="identity">As for <see cref="LayerStatistics.EndBatch"/>.</param>
    private void TakeGradients((int Call, ParameterUse Use)[][] uses, Tensor?[] ofCalls, Tensor?[] ofParameters, long samples, Tensor scale, double? identity)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor Scaled(Tensor g) => scale.numel() == 1
            ? g.mul(scale)
            : g.reshape(samples, -1).mul(scale.reshape(samples, 1)).reshape(g.shape);
        Tensor typical = scale.mean();
        PulledBack column = new(uses, [.. ofCalls.Select(g => g is null ? null : Scaled(g))], WholeBatch.ToDictionary(i => i, i => ofParameters[i]?.mul(typical)));
        try
        {
            foreach (LayerStatistics block in Registered.Blocks)
            {
                block.AddGradients(column);
                block.EndBatch(column, identity);
            }
        }
        catch
        {
            Drop();
            throw;
        }
    }

    /// <summary>Positions of a layer's outputs: all entries but for the features.</summary>
    private static double PositionsOf(LayerCall call) =>
        call.Output.numel() / (double)(KnownLayers.KindOf(call.Layer)!.TakesFoldedPositions || call.Output.dim() < 2 ? call.Output.shape[^1] : call.Output.shape[1]);
}

using Curvature.Data;
using Curvature.Layers;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// The statistics of KFAC: for each layer with weight W the factors <c>A</c> (second moments of its inputs, a 1 appended for the bias) and <c>G</c> (of its outputs' gradients), such that
/// <c>G (x) A</c> approximates the layer's diagonal block of the generalised Gauss-Newton matrix of the loss, reduction and weights included: <c>A = mean a a^T</c> and
/// <c>G = sum_n g_n g_n^T</c>, g_n sample n's gradient of the reduced loss in the layer's outputs, so that a mean loss gives a mean and a sum a sum. The objective's L2 term is no part of it: it goes
/// with the damping.
/// <para>
/// Linear layers, convolutions (by the patches under the kernel, a pair of factors a group) and embeddings get Kronecker factors, several calls of one layer or several layers with one
/// weight counting as positions; biases alone and normalisations their full block or its diagonal from per-sample gradients; whatever else is differentiable a diagonal from whole
/// batches' gradients. <see cref="Registration"/> lists every parameter and why it got what it got.
/// </para>
/// <para>
/// Two uses. <see cref="Of"/> gathers over a data set in one pass. In training, <see cref="Update(Func{Tensor}, Tensor, ICurvatureLoss)"/> takes a mini-batch, and older ones fade
/// (<see cref="KfacOptions.Decay"/>). Cost of a batch: a forward pass, the backward passes that <see cref="KfacOptions.Gradients"/> names, and <c>N T (d_in^2 + d_out^2)</c> a layer; the first
/// batch two backward passes more, for checks. Memory: the factors, <c>d_in^2 + d_out^2</c> a layer, twice while a batch is taken in; and what the layers see, for convolutions times the kernel's size.
/// </para>
/// <para>
/// Factors have the parameters' dtype. A batch that makes one of them NaN or infinite is refused by the layer's name and leaves all of them as they were. Randomness is a function of
/// (<see cref="KfacOptions.Seed"/>, number of the update). Dispose it to release the factors.
/// Martens and Grosse 2015, Optimizing Neural Networks with Kronecker-factored Approximate Curvature; Grosse and Martens 2016, A Kronecker-factored Approximate Fisher Matrix for
/// Convolution Layers (here with the homogeneous scaling above); Eschenhagen et al. 2023 for shared weights.
/// </para>
/// </summary>
public sealed partial class KfacFactors : IDisposable
{
    private readonly ModelLayers _layers;
    private readonly LayerGradients _gradients;
    private LayerRegistration? _registration;
    private bool _inspected;
    private double _weight;

    /// <param name="model">A C# model; of a TorchScript one only diagonals can be had.</param>
    /// <param name="parameters">theta; null: all trainable parameters.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="CurvatureException">Options out of range.</exception>
    public KfacFactors(nn.Module model, ParameterSpace? parameters = null, KfacOptions? options = null)
    {
        Parameters = parameters ?? ParameterSpace.Of(model);
        Options = (options ?? new KfacOptions()).Checked();
        _layers = new ModelLayers(Parameters, model);
        _gradients = new LayerGradients(Parameters, Options);
    }

    /// <summary>theta.</summary>
    public ParameterSpace Parameters { get; }

    /// <summary>How the factors are gathered.</summary>
    public KfacOptions Options { get; }

    /// <summary>Updates so far.</summary>
    public long Updates { get; private set; }

    /// <summary>What stands for each parameter; known once a batch has been seen or a state loaded.</summary>
    /// <exception cref="CurvatureException">Neither yet.</exception>
    public RegistrationReport Registration => Registered.Report;

    private LayerRegistration Registered => _registration
        ?? throw new CurvatureException("No batch has been seen yet: layers are registered when the first one is (Update), or with a loaded state.");

    /// <summary>Gathers the factors of an objective in one pass over its data, at the present parameters.</summary>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>).</param>
    /// <param name="model">The model that it evaluates.</param>
    /// <param name="options">Null for the defaults. Draw i of batch b is that of <see cref="FisherOperator"/> with the same seed.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="CurvatureException">The objective is not split, or its evaluations differ.</exception>
    /// <exception cref="NonFiniteException">A factor is NaN or infinite; the message names the layer.</exception>
    public static KfacFactors Of(
        Objective objective, nn.Module model, KfacOptions? options = null, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        objective.RequireSplit("KFAC");
        KfacFactors factors = new(model, objective.Parameters, options);
        try
        {
            factors.Fold(factors.Visit(objective, "Kronecker factors", null, progress, cancellation));
            return factors;
        }
        catch
        {
            factors.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Takes in a mini-batch: evaluates the model, gathers the batch's factors and lets the earlier ones fade.
    /// </summary>
    /// <param name="forward">Evaluates the model, by <c>call</c>.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="loss">See <see cref="KnownLosses"/>.</param>
    /// <returns>The model's outputs with their graph, in the caller's scope: <c>loss.Value(outputs, targets).backward()</c> completes a training step.</returns>
    /// <exception cref="NonFiniteException">A factor is NaN or infinite; the message names the layer, and the factors are as they were.</exception>
    public Tensor Update(Func<Tensor> forward, Tensor targets, ICurvatureLoss loss)
    {
        using LayerTape tape = _layers.Record();
        Tensor z;
        using (enable_grad())
        {
            z = forward();
        }

        tape.Stop();
        loss.Check(z, targets);
        double weight = loss.Reduction == Reduction.Mean ? loss.Terms(targets) : 1;
        if (weight > 0)
        {
            Gather(z, targets, loss, weight, tape, (int)Updates, visit: null);
            Fold(weight);
        }

        return z;
    }

    /// <summary>Begins to record the model's layers, for an update by the backward pass of a training step.</summary>
    /// <returns>The caller's to dispose after the update.</returns>
    public LayerRecording Record() => new(_layers.Record(retainGradients: true), Parameters.Parameters.All(p => p.grad is null));

    /// <summary>
    /// Takes in a mini-batch from a training step that is done: the model was evaluated while recorded and the loss's <c>backward()</c> was called. The factors are those of
    /// <see cref="FactorGradients.Empirical"/>, whatever the options say (with <see cref="FactorGradients.Identity"/> G stays the identity), at no further pass.
    /// <para>
    /// The gradients <c>dL/ds</c> of a mean over M terms are M times too small for single terms, so that <c>G = M sum g g^T</c>. Blocks of <see cref="BlockKind.BatchDiagonal"/> get the square of the batch's
    /// gradient, cross terms included, from <c>.grad</c>: it must have been cleared before.
    /// </para>
    /// </summary>
    /// <param name="recording">The step's.</param>
    /// <param name="samples">Rows of the batch.</param>
    /// <param name="terms">M; null: one a row.</param>
    /// <param name="reduction">The loss's.</param>
    /// <exception cref="CurvatureException">No layer was called, or no gradient has arrived.</exception>
    /// <exception cref="NonFiniteException">A factor is NaN or infinite; the message names the layer, and the factors are as they were.</exception>
    public void Update(LayerRecording recording, long samples, double? terms = null, Reduction reduction = Reduction.Mean)
    {
        recording.Stop();
        double weight = reduction == Reduction.Mean ? terms ?? samples : 1;
        if (samples < 1 || !(weight > 0))
        {
            throw new CurvatureException(FormattableString.Invariant($"A batch has at least one row and one term; got {samples} and {weight}."));
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (int Call, ParameterUse Use)[][] uses = _layers.UsesOf(recording.Tape, samples);
        Tensor?[] ofCalls = [.. recording.Tape.Calls.Select(c => c.Output.grad?.mul(weight))];
        if (ofCalls.All(g => g is null))
        {
            throw new CurvatureException("No gradient has arrived at a recorded layer: evaluate the model by call() while recording, then call backward() on its loss.");
        }

        Tensor? OfParameter(int i) => Parameters.Parameters[i].grad?.mul(weight);
        Register(() => Obstacles(
            recording.Tape, samples, recording.StartsFresh ? _layers.Missing(ofCalls, [.. Enumerable.Range(0, Parameters.Parameters.Count).Select(OfParameter)], uses) : []));
        PulledBack column = new(uses, ofCalls, WholeBatch.ToDictionary(i => i, OfParameter));
        try
        {
            foreach (LayerStatistics block in Registered.Blocks)
            {
                block.AddGradients(column);
                block.EndBatch(column, IdentityScale(reduction, weight, samples));
            }
        }
        catch
        {
            Drop();
            throw;
        }

        Fold(weight);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (LayerStatistics block in _registration?.Blocks ?? [])
        {
            block.Dispose();
        }
    }

    /// <summary>What is gathered for each block.</summary>
    internal IReadOnlyList<LayerStatistics> Statistics => Registered.Blocks;

    /// <summary>The blocks as they are now, copies, with the positions of their parameters.</summary>
    internal List<(LayerBlock Block, IReadOnlyList<int> Indices)> ToBlocks()
    {
        if (_registration is null || !(_weight > 0))
        {
            throw new CurvatureException("The factors hold no data yet: gather them over an objective (KfacFactors.Of), call Update, or load a state.");
        }

        return [.. Registered.Blocks.Select(b => (b.ToBlock(_weight), b.Indices))];
    }

    /// <summary>
    /// Passes over an objective's data, gathering unless <paramref name="visit"/> says what to do with each column instead.
    /// </summary>
    /// <returns>What sums over the columns are to be divided by: the number of terms for means, 1 for sums.</returns>
    internal double Visit(
        Objective objective, string what, Action<PulledBack>? visit, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        double total = 0;
        objective.EnsureDifferentiable();
        objective.EnsureDeterministic();
        int batches = 0;
        foreach (ObjectiveBatch batch in objective.Pass(cancellation))
        {
            using DisposeScope scope = NewDisposeScope();
            using LayerTape tape = _layers.Record();
            Tensor z, targets;
            using (enable_grad())
            {
                (z, targets) = batch.Split!.Evaluate();
            }

            tape.Stop();
            double weight = objective.Reduction == Reduction.Mean ? batch.Terms : 1;
            Gather(z, targets, batch.Split.Loss, weight, tape, batch.Index, visit);
            total += weight;
            progress?.Report(new ProductProgress(what, ++batches, batches));
        }

        return objective.Reduction == Reduction.Mean ? total : 1;
    }

    private void Gather(Tensor z, Tensor targets, ICurvatureLoss loss, double weight, LayerTape tape, int step, Action<PulledBack>? visit)
    {
        try
        {
            GatherWhole(z, targets, loss, weight, tape, step, visit);
        }
        catch
        {
            Drop();
            throw;
        }
    }

    private void GatherWhole(Tensor z, Tensor targets, ICurvatureLoss loss, double weight, LayerTape tape, int step, Action<PulledBack>? visit)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        long samples = z.dim() == 0 ? 1 : z.shape[0];
        (int Call, ParameterUse Use)[][] uses = _layers.UsesOf(tape, samples);
        Register(() => Obstacles(tape, samples, [.. _layers.Missing(z, tape, uses), .. Crossings(z, tape)]));
        using OutputCurvature curvature = loss.CurvatureAt(z, targets, weight);
        _gradients.Visit(z, curvature, tape, uses, WholeBatch, step, column =>
        {
            foreach (LayerStatistics block in visit is null ? Registered.Blocks : [])
            {
                block.AddGradients(column);
            }

            visit?.Invoke(column);
        });
        PulledBack inputs = new(uses, [], new Dictionary<int, Tensor?>());
        foreach (LayerStatistics block in visit is null ? Registered.Blocks : [])
        {
            block.EndBatch(inputs, IdentityScale(loss.Reduction, weight, samples));
        }
    }

    /// <summary>Parameters whose gradient of the whole batch is wanted.</summary>
    private int[] WholeBatch => [.. Registered.Blocks.Where(b => b.Kind == BlockKind.BatchDiagonal).Select(b => b.Indices[0])];

    private double? IdentityScale(Reduction reduction, double weight, long samples) =>
        Options.Gradients != FactorGradients.Identity ? null : reduction == Reduction.Mean ? weight : samples;

    /// <summary>Ends an update: refuses what is not finite, then lets the earlier updates fade.</summary>
    private void Fold(double weight)
    {
        using IDisposable noGrad = no_grad();
        RequireFinite();

        foreach (LayerStatistics block in Registered.Blocks)
        {
            block.Fold(Options.Decay);
        }

        _weight = (Options.Decay * _weight) + weight;
        Updates++;
    }

    /// <summary>Refuses what the present update has brought where it is not finite; one host synchronisation where it is.</summary>
    private void RequireFinite()
    {
        using DisposeScope scope = NewDisposeScope();
        (string Block, string Key, Tensor Present)[] brought =
            [.. Registered.Blocks.SelectMany(b => b.Sums.Where(s => s.Sum.Present is not null).Select(s => (b.Name, s.Key, s.Sum.Present!)))];
        if (brought.Length == 0 || double.IsFinite(stack(brought.Select(b => b.Present.sum(ScalarType.Float64))).sum().ToDouble()))
        {
            return;
        }

        (string block, string key, Tensor? bad) = brought.FirstOrDefault(b => !Finite.Everywhere(b.Present));
        if (bad is not null)
        {
            Drop();
            throw new NonFiniteException(
                $"The batch's '{key}' of the layer '{block}' is NaN or infinite. The factors are as they were before it. Look for extreme inputs, a diverged model, or too large a loss scale.");
        }
    }

    private void Drop()
    {
        foreach (LayerStatistics block in _registration?.Blocks ?? [])
        {
            block.Drop();
        }
    }

    private void Register(Func<string?[]> inspect)
    {
        if (_inspected)
        {
            return;
        }

        LayerRegistration found = new(_layers, Parameters, Options, inspect());
        if (_registration is null)
        {
            _registration = found;
        }
        else
        {
            RequireSame(found);
        }

        _inspected = true;
    }

    private string?[] Obstacles(LayerTape tape, long samples, IReadOnlyList<(int Index, string Why)> found)
    {
        string?[] obstacles = [.. _layers.Obstacles];
        foreach ((int i, string why) in tape.Calls.SelectMany(call => _layers.Misfit(call, samples, folded: true) is { } why
            ? _layers.ParametersOf(call.Layer).Select(i => (i, why))
            : []).Concat(found))
        {
            obstacles[i] ??= why;
        }

        return obstacles;
    }

    private IEnumerable<(int Index, string Why)> Crossings(Tensor z, LayerTape tape) => _layers.Coupling is not null
        ? []
        : _layers.Crossings(z, tape).SelectMany(c => _layers.ParametersOf(tape.Calls[c.Call].Layer).Select(i => (i, c.Why)));
}

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
/// batch two backward passes more, for checks. Memory: the factors, <c>d_in^2 + d_out^2</c> a layer, twice while a batch is taken in; and what the layers see (a convolution's patches are made some samples at a time).
/// </para>
/// <para>
/// Factors have the parameters' dtype. A batch that makes one of them NaN or infinite is refused by the layer's name and leaves all of them as they were. Randomness is a function of
/// (<see cref="KfacOptions.Seed"/>, number of the update, row of the batch). Dispose it to release the factors.
/// Martens and Grosse 2015, Optimizing Neural Networks with Kronecker-factored Approximate Curvature; Grosse and Martens 2016, A Kronecker-factored Approximate Fisher Matrix for
/// Convolution Layers (here with the homogeneous scaling above); Eschenhagen et al. 2023 for shared weights.
/// </para>
/// </summary>
public sealed partial class KfacFactors : IDisposable
{
    private readonly ModelLayers _layers;
    private readonly LayerGradients _gradients;
    private LayerRegistration? _registration;
    private long _inspected; // rows of the batch that was: one row alone shows nothing of others
    private double _weight;
    private double? _proposed; // what the weight is to become
    private double _present; // weight of the parts taken in since the last update
    private int _parts;
    private long _rows; // of the parts that Accumulate took in

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
    /// <param name="options">Null for the defaults. Draw i of a sample is that of <see cref="FisherOperator"/> with the same seed.</param>
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
        Tensor z = Accumulate(forward, targets, loss);
        Complete();
        return z;
    }

    /// <summary>
    /// Takes in a part of a batch: parts until the next <see cref="Complete"/> (or <see cref="Update(Func{Tensor}, Tensor, ICurvatureLoss)"/>, the last of them) make one update, the same as their rows in one
    /// batch would. Draws are those of (seed, update, row of the batch).
    /// </summary>
    /// <param name="forward">Evaluates the model, by <c>call</c>.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="loss">The same for all parts.</param>
    /// <returns>As <see cref="Update(Func{Tensor}, Tensor, ICurvatureLoss)"/>.</returns>
    public Tensor Accumulate(Func<Tensor> forward, Tensor targets, ICurvatureLoss loss)
    {
        using LayerTape tape = _layers.Record();
        Tensor z;
        using (enable_grad())
        {
            z = forward();
        }

        tape.Stop();
        loss.Check(z, targets);
        Take(tape, z, targets, loss, _rows);
        _rows += z.dim() == 0 ? 1 : z.shape[0];
        return z;
    }

    /// <summary>Makes an update of the parts that <see cref="Accumulate"/> took in; none where they have no terms.</summary>
    /// <exception cref="NonFiniteException">A factor is NaN or infinite; the message names the layer, and the factors are as they were before the first part.</exception>
    public void Complete()
    {
        _rows = 0;
        if (_present > 0)
        {
            CloseParts();
            RequireFinite();
            Commit();
        }
    }

    /// <summary>Begins to record the model's layers, for an update by the backward pass of a training step.</summary>
    /// <returns>The caller's to dispose after the update.</returns>
    public LayerRecording Record() => new(_layers.Record(retainGradients: true), Parameters.Parameters.All(p => p.grad is null));

    /// <summary>
    /// Takes in a mini-batch from a training step that is done: the model was evaluated while recorded and the loss's <c>backward()</c> was called. The factors are those of
    /// <see cref="FactorGradients.Empirical"/>, whatever the options say (with <see cref="FactorGradients.Identity"/> G stays the identity), at no further pass.
    /// <para>
    /// The gradients <c>dL/ds</c> of a mean over M terms are M times too small for single terms, so that <c>G = M sum g g^T</c>, if all samples count alike: with class weights take
    /// <see cref="Update(LayerRecording, Tensor, Tensor, ICurvatureLoss)"/>, or G has their squares. Blocks of <see cref="BlockKind.BatchDiagonal"/> get the square of the batch's
    /// gradient, cross terms included, from <c>.grad</c>: it must have been cleared before.
    /// </para>
    /// <para>
    /// The first rows of inputs and outputs are taken to be samples that do not see each other. Nothing checks that here, where the graph is gone: a table of positions that all samples share, or attention across
    /// the batch, gets factors that mix samples. <see cref="Update(Func{Tensor}, Tensor, ICurvatureLoss)"/> looks.
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
        double weight = reduction == Reduction.Mean ? terms ?? samples : 1;
        if (samples < 1 || !(weight > 0))
        {
            throw new CurvatureException(FormattableString.Invariant($"A batch has at least one row and one term; got {samples} and {weight}."));
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Take(recording, samples, weight, reduction, full(1, weight, Parameters.DType, Parameters.Device));
    }

    /// <summary>
    /// The same where the loss is known, class weights, smoothing and ignored labels with it: the factors are those of <see cref="FactorGradients.Empirical"/> to rounding, a sample of weight c counting c times.
    /// </summary>
    /// <param name="recording">The step's.</param>
    /// <param name="outputs">The model's.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="loss">What <c>backward()</c> was called on.</param>
    /// <exception cref="CurvatureException">As above; or the positions of a row are weighted one by one, which the sum of their gradients does not show.</exception>
    /// <exception cref="NonFiniteException">A factor is NaN or infinite; the message names the layer, and the factors are as they were.</exception>
    public void Update(LayerRecording recording, Tensor outputs, Tensor targets, ICurvatureLoss loss)
    {
        loss.Check(outputs, targets);
        double weight = loss.Reduction == Reduction.Mean ? loss.Terms(targets) : 1;
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using OutputCurvature curvature = loss.CurvatureAt(outputs, targets, weight);
        Tensor scale = curvature.RowScale() ?? throw new CurvatureException(
            $"The positions of a row have weights of their own in this loss, and a layer's gradients are sums over them: update by Update(forward, targets, loss) with {nameof(FactorGradients)}.{FactorGradients.Empirical}.");
        Take(recording, outputs.dim() == 0 ? 1 : outputs.shape[0], weight, loss.Reduction, scale);
    }

    private void Take(LayerRecording recording, long samples, double weight, Reduction reduction, Tensor scale)
    {
        recording.Stop();
        Tensor?[] ofCalls = [.. recording.Tape.Calls.Select(c => c.Output.grad)];
        if (ofCalls.All(g => g is null))
        {
            throw new CurvatureException("No gradient has arrived at a recorded layer: evaluate the model by call() while recording, then call backward() on its loss.");
        }

        Tensor?[] ofParameters = [.. Parameters.Parameters.Select(p => p.grad)];
        (int Call, ParameterUse Use)[][] uses = _layers.UsesOf(recording.Tape, samples);
        Register(1, () => Obstacles(recording.Tape, samples, recording.StartsFresh ? _layers.Missing(ofCalls, ofParameters, uses) : []));
        TakeGradients(uses, ofCalls, ofParameters, samples, scale, IdentityScale(reduction, weight, samples));
        Fold(weight);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (LayerStatistics block in Blocks)
        {
            block.Dispose();
        }
    }

    /// <summary>What is gathered for each block.</summary>
    internal IReadOnlyList<LayerStatistics> Statistics => Registered.Blocks;

    /// <summary>The blocks as they are now, copies, with the positions of their parameters; where ranks divide them, this one's.</summary>
    internal List<(LayerBlock Block, IReadOnlyList<int> Indices)> ToBlocks()
    {
        double weight = _proposed ?? _weight;
        if (_registration is null || !(weight > 0))
        {
            throw new CurvatureException("The factors hold no data yet: gather them over an objective (KfacFactors.Of), call Update, or load a state.");
        }

        return [.. Own.Select(b => (b.ToBlock(weight), b.Indices))];
    }
}

using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// Softmax cross-entropy in nats, <c>-log softmax(z)_y</c> per term, with class weights c, label smoothing s and an ignored label as in
/// <c>torch.nn.functional.cross_entropy</c>. Outputs <c>[N, C]</c> or <c>[N, C, d1, ...]</c>, integer targets <c>[N]</c> or
/// <c>[N, d1, ...]</c>. The mean divides by <c>sum c_y</c> over the terms that are not ignored; that sum is <see cref="Terms"/>.
/// </summary>
public sealed class CrossEntropy : ICurvatureLoss
{
    /// <summary>The label that the engine ignores when none is asked to be: no label may have it.</summary>
    private const long NoLabel = -100;

    private readonly LossOptions _options;

    /// <param name="options">Null for the plain mean.</param>
    /// <exception cref="CurvatureException">Smoothing outside [0, 1), weights that are not a finite non-negative vector.</exception>
    public CrossEntropy(LossOptions? options = null)
    {
        _options = options ?? new LossOptions();
        if (_options.LabelSmoothing is not (>= 0 and < 1))
        {
            throw new CurvatureException(FormattableString.Invariant($"Label smoothing lies in [0, 1); got {_options.LabelSmoothing}."));
        }

        if (_options.ClassWeights is { } weights)
        {
            using DisposeScope scope = NewDisposeScope();
            if (weights.dim() != 1)
            {
                throw new CurvatureException($"Class weights are one finite, non-negative number per class; got shape {KnownLosses.Shape(weights)}.");
            }

            double[] values = weights.to(ScalarType.Float64).cpu().data<double>().ToArray();
            int bad = Array.FindIndex(values, value => !(value >= 0 && double.IsFinite(value)));
            if (bad >= 0)
            {
                throw new CurvatureException(FormattableString.Invariant($"Class weights are one finite, non-negative number per class; got {values[bad]} for class {bad}."));
            }
        }
    }

    /// <inheritdoc/>
    public string Name => "cross-entropy";

    /// <inheritdoc/>
    public Reduction Reduction => _options.Reduction;

    /// <summary>The label whose terms are left out; null for none.</summary>
    public long? IgnoreIndex => _options.IgnoreIndex;

    /// <inheritdoc/>
    public Tensor Value(Tensor outputs, Tensor targets) => nn.functional.cross_entropy(
        outputs,
        targets,
        weight: _options.ClassWeights?.to(outputs.dtype, outputs.device),
        ignore_index: _options.IgnoreIndex ?? NoLabel,
        reduction: Reduction == Reduction.Mean ? nn.Reduction.Mean : nn.Reduction.Sum,
        label_smoothing: _options.LabelSmoothing);

    /// <inheritdoc/>
    public double Terms(Tensor targets)
    {
        if (_options.IgnoreIndex is null && _options.ClassWeights is null)
        {
            return targets.numel();
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor counted = targets.ne(_options.IgnoreIndex ?? NoLabel);
        if (_options.ClassWeights is null)
        {
            return counted.sum().ToDouble();
        }

        if (targets.dtype != ScalarType.Int64)
        {
            throw new CurvatureException($"Cross-entropy expects int64 class labels; got targets of {targets.dtype}.");
        }

        Tensor labels = targets.masked_select(counted);
        CheckRange(labels, _options.ClassWeights.shape[0], "there are class weights for");
        double terms = _options.ClassWeights.to(ScalarType.Float64, labels.device).index_select(0, labels).sum().ToDouble();
        if (terms > 0 || labels.numel() == 0 || _options.LabelSmoothing == 0)
        {
            return terms;
        }

        // labels of weight 0 that smoothing gives a loss of the other classes: to a sum they are as good as any, to a mean they bring a numerator without a denominator
        return Reduction == Reduction.Sum
            ? labels.numel() * _options.LabelSmoothing * _options.ClassWeights.mean().ToDouble()
            : throw new CurvatureException(
                "All labels of a batch have class weight 0, and label smoothing gives them a loss all the same: a mean over that batch alone divides by 0. Use larger batches, so that each has a label with a weight, the reduction Sum, "
                + "or no label smoothing.");
    }

    /// <inheritdoc/>
    public void Check(Tensor outputs, Tensor targets)
    {
        long[] z = outputs.shape, y = targets.shape;
        bool fits = z.Length >= 2 && y.Length == z.Length - 1 && y[0] == z[0] && y.AsSpan(1).SequenceEqual(z.AsSpan(2));
        if (!fits || targets.dtype != ScalarType.Int64)
        {
            throw new CurvatureException(
                $"Cross-entropy expects outputs [N, C, ...] and int64 class labels [N, ...]; got outputs {KnownLosses.Shape(outputs)} and targets "
                + $"{KnownLosses.Shape(targets)} of {targets.dtype}. {Remedy(z, y, targets)}");
        }

        long classes = z[1];
        if (_options.ClassWeights is { } weights && weights.shape[0] != classes)
        {
            throw new CurvatureException($"The model has {classes} classes, but {weights.shape[0]} class weights were given.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        CheckRange(_options.IgnoreIndex is { } ignored ? targets.masked_select(targets.ne(ignored)) : targets, classes, "the model has");
    }

    /// <inheritdoc/>
    public OutputCurvature CurvatureAt(Tensor outputs, Tensor targets, double weight = 1)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return new SoftmaxCurvature(this, outputs, targets, LabelWeights(outputs, targets, weight), weight);
    }

    /// <summary>
    /// What the Hessian <c>diag p - p p^T</c> of each label is multiplied by. The loss of a label is <c>-sum_c q_c log p_c</c> with
    /// <c>q = (1 - s) c_y e_y + (s / C) c</c>, and its Hessian <c>(sum_c q_c) (diag p - p p^T)</c>; the mean divides by <c>sum c_y</c>.
    /// </summary>
    private Tensor LabelWeights(Tensor outputs, Tensor targets, double weight)
    {
        if (_options.IgnoreIndex is null && _options.ClassWeights is null)
        {
            return full(1, Reduction == Reduction.Mean ? weight / targets.numel() : weight, outputs.dtype, outputs.device);
        }

        Tensor counted = targets.ne(_options.IgnoreIndex ?? NoLabel), q = counted.to(outputs.dtype), divisor = q;
        if (_options.ClassWeights is { } weights)
        {
            Tensor c = weights.to(outputs.dtype, outputs.device);
            Tensor ofLabel = c.index_select(0, targets.masked_fill(counted.logical_not(), 0).reshape(-1)).reshape(targets.shape);
            divisor = ofLabel.mul(q);
            q = divisor.mul(1 - _options.LabelSmoothing).add(q.mul(c.mean()), _options.LabelSmoothing);
        }

        Tensor scaled = q.mul(weight);
        return (Reduction == Reduction.Mean ? scaled.div_(divisor.sum()) : scaled).unsqueeze(1);
    }

    private static string Remedy(ReadOnlySpan<long> outputs, ReadOnlySpan<long> targets, Tensor y) =>
        outputs.Length >= 2 && outputs.SequenceEqual(targets) ? "One-hot rows become labels by y.argmax(1); for real-valued targets use mse, for independent yes-or-no targets bce."
        : y.is_floating_point() ? "Save class labels as int64; for real-valued targets use mse, for targets in [0, 1] bce."
        : "Save one int64 label a sample.";

    private static void CheckRange(Tensor labels, long classes, string known)
    {
        if (labels.numel() == 0)
        {
            return;
        }

        (long low, long high) = (labels.min().ToInt64(), labels.max().ToInt64());
        if (low < 0 || high >= classes)
        {
            throw new CurvatureException(
                $"Labels out of range: {known} {classes} classes (labels 0 to {classes - 1}), the data has labels from {low} to {high}. "
                + "Check that data and model belong together; padding labels can be left out with an ignore index (--ignore-index N).");
        }
    }
}

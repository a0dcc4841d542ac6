using Curvature.Data;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Networks;

/// <summary>How well a network does on one batch.</summary>
/// <param name="Loss">The batch's loss.</param>
/// <param name="Terms">Its number of loss terms.</param>
/// <param name="Right">Right answers; null where the loss knows none.</param>
/// <param name="Counted">Answers that count.</param>
internal sealed record BatchQuality(double Loss, double Terms, long? Right, long? Counted)
{
    private const double None = -1; // of a number that is null, on its way to the other ranks

    /// <summary>One forward pass a batch, in evaluation mode; batches without terms are left out. Of several ranks each goes over its own, and all have those of all, in the order of the ranks.</summary>
    public static IReadOnlyList<BatchQuality> Each(nn.Module module, IEnumerable<Batch> batches, ISupervisedLoss loss, IRanks ranks, CancellationToken cancellation)
    {
        List<BatchQuality> each = [];
        ranks.Together(() => each = Own(module, batches, loss, cancellation));
        if (ranks.Count > 1)
        {
            double[] numbers = ranks.Concatenate([.. each.SelectMany(batch => (double[])[batch.Loss, batch.Terms, batch.Right ?? None, batch.Counted ?? None])]);
            each = [.. numbers.Chunk(4).Select(batch => new BatchQuality(batch[0], batch[1], Whole(batch[2]), Whole(batch[3])))];
        }

        return each.Count > 0 ? each : throw new CurvatureException("The data has no loss terms: it is empty, or every term is ignored or has weight 0.");

        static long? Whole(double number) => number == None ? null : (long)number;
    }

    private static List<BatchQuality> Own(nn.Module module, IEnumerable<Batch> batches, ISupervisedLoss loss, CancellationToken cancellation)
    {
        if (module is not nn.IModule<Tensor, Tensor> callable)
        {
            throw new CurvatureException($"The model {module.GetType().Name} does not map one tensor to one tensor (IModule<Tensor, Tensor>), so it cannot be evaluated on batches of inputs and targets.");
        }

        using IDisposable noGrad = no_grad();
        using var evaluation = new EvaluationMode(module);
        var each = new List<BatchQuality>();
        int index = 0;
        foreach (Batch batch in batches)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            BatchQuality quality = Of(module, callable, batch, index, loss);
            index++;
            if (quality.Terms > 0)
            {
                each.Add(quality);
            }
        }

        return each;
    }

    /// <summary>The paired difference over batches: for means <c>sum w d / sum w</c> with the variance of a weighted mean, for sums <c>sum d</c>. Of one batch the standard error is NaN.</summary>
    public static (double Value, double StandardError) Increase(IReadOnlyList<BatchQuality> before, IReadOnlyList<BatchQuality> after, Reduction reduction)
    {
        double[] weights = [.. before.Select(batch => reduction == Reduction.Mean ? batch.Terms : 1)], differences = [.. before.Zip(after, (a, b) => b.Loss - a.Loss)];
        double total = weights.Sum(), mean = weights.Zip(differences, (w, d) => w * d).Sum() / total, n = weights.Length;
        double variance = weights.Zip(differences, (w, d) => Math.Pow(w * (d - mean) / total, 2)).Sum() * n / (n - 1); // 0 / 0 of one batch
        return reduction == Reduction.Mean ? (mean, Math.Sqrt(variance)) : (mean * n, Math.Sqrt(variance) * n);
    }

    private static BatchQuality Of(nn.Module module, nn.IModule<Tensor, Tensor> callable, Batch batch, int index, ISupervisedLoss loss)
    {
        Tensor targets = EvaluationMode.Placed(batch.Targets, module);
        Tensor outputs = EvaluationMode.Call(callable, EvaluationMode.Placed(batch.Inputs, module), $"batch {index}");
        loss.Check(outputs, targets);
        double terms = loss.Terms(targets), value = terms > 0 ? loss.Value(outputs, targets).ToDouble() : 0;
        if (!double.IsFinite(value))
        {
            throw new NonFiniteException($"The loss of batch {index} is {value}. Look at the inputs and the weights.");
        }

        (Tensor Right, Tensor Counted)? answers = loss switch
        {
            CrossEntropy entropy => (outputs.argmax(1).eq(targets), entropy.IgnoreIndex is { } ignored ? targets.ne(ignored) : ones_like(targets, ScalarType.Bool)),
            BinaryCrossEntropy => (outputs.gt(0).reshape(targets.shape).eq(targets.gt(0.5)), ones_like(targets, ScalarType.Bool)),
            _ => null,
        };
        return new BatchQuality(value, terms, answers?.Right.mul(answers.Value.Counted).sum().ToInt64(), answers?.Counted.sum().ToInt64());
    }
}

using Curvature.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>How well a model does on some samples.</summary>
/// <param name="Loss">The mean loss, with the L2 term.</param>
/// <param name="Accuracy">Share of right answers: the highest score is the target's, a logit has the target's sign; null for other losses.</param>
internal sealed record Quality(double Loss, double? Accuracy)
{
    /// <summary>Evaluates the model, once for the loss and once for the answers.</summary>
    public static Quality Of(Workspace work, Dataset samples, WorkRequest request, CancellationToken cancellation)
    {
        double loss = work.Over(samples).Value(cancellation);
        Func<Tensor, Tensor, (Tensor Right, Tensor Counted)>? judge = request.Loss switch
        {
            "cross-entropy" => (z, y) => (z.argmax(1).eq(y), y.ne(request.IgnoreIndex ?? long.MinValue)),
            "bce" => (z, y) => (z.gt(0).reshape(y.shape).eq(y.gt(0.5)), ones_like(y, ScalarType.Bool)),
            _ => null,
        };
        return new Quality(loss, judge is null ? null : Share(work, samples, request.BatchSize, judge, cancellation));
    }

    private static double Share(
        Workspace work, Dataset samples, int batchSize, Func<Tensor, Tensor, (Tensor Right, Tensor Counted)> judge, CancellationToken cancellation)
    {
        using IDisposable noGrad = no_grad();
        using var undisturbed = new Undisturbed(work);
        var model = (nn.IModule<Tensor, Tensor>)work.Model;
        long right = 0, counted = 0;
        foreach (Batch batch in samples.Batches(batchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            (Tensor hit, Tensor counts) = judge(model.call(batch.Inputs), batch.Targets);
            right += hit.mul(counts).sum().ToInt64();
            counted += counts.sum().ToInt64();
        }

        return (double)right / counted;
    }

    /// <summary>In train mode too, answers are those of evaluation mode: they must not move running statistics.</summary>
    private sealed class Undisturbed : IDisposable
    {
        private readonly nn.Module _model;
        private readonly bool _training;

        public Undisturbed(Workspace work)
        {
            (_model, _training) = (work.Model, work.Model.training);
            _model.eval();
        }

        public void Dispose() => _model.train(_training);
    }
}

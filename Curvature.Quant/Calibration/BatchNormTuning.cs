using Curvature.Objectives;
using Curvature.Quant.Networks;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// Running statistics of batch norms taken anew on calibration data, as the network now is: quantized layers move the mean and the variance of their outputs, and this takes that back (Hubara et al. 2020,
/// section 3.3; Finkelstein, Almog, Grobman 2019, Fighting Quantization Bias with Bias). One forward pass in which norms use the statistics of the batch and everything else is in evaluation mode; the new
/// statistics are the mean over batches of the batches' mean and unbiased variance, weighted by their samples; of a norm that is called several times a batch, over all calls. Until it is disposed: then the old ones are back, bit for
/// bit, unless they are kept. Calls are seen by <c>call</c>: a norm whose <c>forward</c> is called directly is taken to be called once a batch.
/// </summary>
public sealed class BatchNormTuning : IDisposable
{
    private readonly List<(Tensor Buffer, Tensor Before)> _kept = [];

    private BatchNormTuning(int norms) => Norms = norms;

    /// <summary>How many norms have new statistics: those that track any. A network without changes nothing.</summary>
    public int Norms { get; }

    /// <summary>Takes the statistics anew.</summary>
    /// <param name="module">The network, quantized as it is to run.</param>
    /// <param name="inputs">Calibration batches of some 50 samples or more each, enumerated once: a norm sees a batch's own statistics. Of several ranks this one's, of which there may be none.</param>
    /// <param name="ranks">Those who share the inputs: every rank has the statistics over all of them, the same bits. Null: all inputs are here.</param>
    /// <param name="cancellation">Looked at before each batch; then everything is as it was.</param>
    /// <exception cref="CurvatureException">TorchScript, whose norms cannot be reached, inputs that the model does not take, or none.</exception>
    /// <exception cref="NonFiniteException">New statistics that are not finite: batches with one value a channel have no variance. The old ones are back then.</exception>
    public static BatchNormTuning Apply(nn.Module module, IEnumerable<Tensor> inputs, IRanks? ranks = null, CancellationToken cancellation = default)
    {
        if (module is jit.ScriptModule)
        {
            throw new CurvatureException("The model is TorchScript, whose batch norms cannot be reached. Load the weights into a C# model (--model-type).");
        }

        BatchNorm[] norms = [.. module.modules().Prepend(module).OfType<BatchNorm>().Distinct().Where(norm => norm.running_mean is not null && norm.running_var is not null)];
        var tuning = new BatchNormTuning(norms.Length);
        double?[] momenta = [.. norms.Select(norm => norm.momentum)];
        bool succeeded = false;
        try
        {
            foreach (BatchNorm norm in norms)
            {
                tuning.Remember(norm.running_mean!);
                tuning.Remember(norm.running_var!);
                if (norm.num_batches_tracked is { } count)
                {
                    tuning.Remember(count);
                }
            }

            Pass(module, norms, inputs, ranks ?? OneRank.Instance, cancellation);
            succeeded = true;
            return tuning;
        }
        finally
        {
            for (int i = 0; i < norms.Length; i++)
            {
                norms[i].momentum = momenta[i];
            }

            if (!succeeded)
            {
                tuning.Dispose();
            }
        }
    }

    /// <summary>Makes the new statistics the network's own: disposing no longer brings the old ones back.</summary>
    public void Keep()
    {
        _kept.ForEach(pair => pair.Before.Dispose());
        _kept.Clear();
    }

    /// <summary>Puts the old statistics back.</summary>
    public void Dispose()
    {
        using IDisposable noGrad = no_grad();
        foreach ((Tensor buffer, Tensor before) in _kept)
        {
            buffer.copy_(before);
        }

        Keep();
    }

    private static void Pass(nn.Module module, BatchNorm[] norms, IEnumerable<Tensor> inputs, IRanks ranks, CancellationToken cancellation)
    {
        nn.IModule<Tensor, Tensor> callable = CalibrationPass.Callable(module);
        using IDisposable noGrad = no_grad();
        using var evaluation = new EvaluationMode(module);
        NormMean[] means = [.. norms.Select(norm => new NormMean(norm))];
        long samples = 0;
        int index = 0;
        try
        {
            ranks.Together(() =>
            {
                foreach (Tensor batch in inputs)
                {
                    cancellation.ThrowIfCancellationRequested();
                    using DisposeScope scope = NewDisposeScope();
                    samples += batch.shape[0];
                    Array.ForEach(means, mean => mean.Begin(batch.shape[0]));
                    EvaluationMode.Call(callable, EvaluationMode.Placed(batch, module), $"calibration batch {index++}");
                }
            });
            CalibrationPass.RequireSome(samples, ranks);
            if (ranks.Count > 1)
            {
                double[][] told = [.. ranks.Gather([.. means.Select(mean => mean.SeesCalls ? mean.Weight : -mean.Weight)]).Chunk(Math.Max(1, means.Length))];
                foreach ((NormMean mean, int n) in means.Select((mean, n) => (mean, n)))
                {
                    mean.OfAll(ranks, [.. told.Select(rank => (Math.Abs(rank[n]), rank[n] > 0))]);
                }
            }
        }
        finally
        {
            Array.ForEach(means, mean => mean.Dispose());
        }

        foreach (BatchNorm norm in norms)
        {
            using DisposeScope scope = NewDisposeScope();
            if (!norm.running_mean!.isfinite().all().ToBoolean() || !norm.running_var!.isfinite().all().ToBoolean())
            {
                string name = module.named_modules().FirstOrDefault(m => ReferenceEquals(m.module, norm)).name ?? "";
                throw new NonFiniteException(
                    $"The new statistics of batch norm '{name}' are not finite: a batch has one value a channel, which has no variance, or there are NaN or infinity before the norm. Give batches of two samples or more, the last one too, and look at the data.");
            }
        }
    }

    private void Remember(Tensor buffer) => _kept.Add((buffer, buffer.detach().clone().DetachFromDisposeScope()));
}

using Curvature.Objectives;
using Curvature.Quant.Networks;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// Trains the biases of a quantized network, those of its norms among them and nothing else, to give what the network in floating point gave: the mean over samples of
/// <c>KL(softmax z || softmax z_q)</c>, in nats, by Adam, without labels (Hubara et al. 2020, section 3.4: 10 epochs). The state with the least divergence over the calibration data is kept, so that it is never
/// above that at the start. A seed gives one result. Cost: three forward passes' work for each epoch, one more to look, and one before the first.
/// </summary>
public sealed record BiasTuning
{
    /// <value>Passes over the calibration data. 10.</value>
    public int Epochs { get; init; } = 10;

    /// <value>Of Adam, absolute; falls linearly to 0. 1e-3.</value>
    public double LearningRate { get; init; } = 1e-3;

    /// <value>Samples of a step. 50, CalibTIP's.</value>
    public int BatchSize { get; init; } = 50;

    /// <value>Of the order of samples.</value>
    public ulong Seed { get; init; }

    /// <summary>The outputs of a network over calibration data, in evaluation mode, <c>[N, C]</c>: what tuning is to give again. The caller disposes them.</summary>
    /// <exception cref="CurvatureException">No inputs.</exception>
    public static Tensor Outputs(nn.Module module, IEnumerable<Tensor> inputs, CancellationToken cancellation = default)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        var parts = new List<Tensor>();
        CalibrationPass.Outputs(module, inputs, outputs => parts.Add(outputs.clone().MoveToOuterDisposeScope()), OneRank.Instance, cancellation);
        return (parts.Count == 1 ? parts[0] : cat([.. parts])).MoveToOuterDisposeScope();
    }

    /// <summary>Trains the biases in place.</summary>
    /// <param name="module">The network, quantized as it is to run; gradients pass straight through quantized activations.</param>
    /// <param name="inputs">Calibration inputs <c>[N, ...]</c>.</param>
    /// <param name="outputs">What the network in floating point gave for them, <c>[N, C]</c> (<see cref="Outputs"/>).</param>
    /// <param name="progress">Told after each epoch, the divergence over all samples.</param>
    /// <param name="cancellation">Looked at before each step; then the biases are as they were.</param>
    /// <returns>What was there before, to bring back.</returns>
    /// <exception cref="CurvatureException">No biases, outputs that are no rows of class scores, or settings out of range.</exception>
    /// <exception cref="NonFiniteException">The divergence at the start is not finite.</exception>
    public TunedBiases Tune(nn.Module module, Tensor inputs, Tensor outputs, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        Parameter[] biases = Check(module, inputs.shape[0], outputs);
        using DisposeScope scope = NewDisposeScope();
        using var evaluation = new EvaluationMode(module);
        var tuned = new TunedBiases(biases);
        try
        {
            double start = Divergence(module, inputs, outputs, cancellation);
            if (!double.IsFinite(start))
            {
                throw new NonFiniteException($"The divergence before biases are tuned is {start}: outputs of the network, in floating point or as it is quantized, are not finite. Look at the calibration data and the weights.");
            }

            return tuned.Found(start, Descend(module, biases, inputs, outputs, start, progress, cancellation));
        }
        catch
        {
            tuned.Dispose();
            throw;
        }
    }

    /// <summary>The biases to train.</summary>
    /// <param name="module">The network.</param>
    /// <param name="samples">Of the calibration inputs.</param>
    /// <param name="outputs">What the network in floating point gave for them.</param>
    /// <exception cref="CurvatureException">As in <see cref="Tune"/>.</exception>
    internal Parameter[] Check(nn.Module module, long samples, Tensor outputs)
    {
        if (Epochs < 0 || BatchSize < 1 || !double.IsFinite(LearningRate) || LearningRate < 0)
        {
            throw new CurvatureException($"Expected epochs from 0, at least one sample a step and a finite rate that is not negative; got {Epochs}, {BatchSize} and {LearningRate}.");
        }

        if (outputs.dim() != 2 || outputs.shape[0] != samples || outputs.shape[1] < 2)
        {
            throw new CurvatureException($"Expected class scores [{samples}, C] with two classes or more, one row a sample, got [{string.Join(", ", outputs.shape)}]. Other outputs have no divergence between distributions.");
        }

        Parameter[] biases = [.. module.named_parameters().Where(p => p.name == "bias" || p.name.EndsWith(".bias", StringComparison.Ordinal)).Select(p => p.parameter)];
        return biases.Length > 0 ? biases : throw new CurvatureException("The network has no parameter called 'bias', so there is nothing to tune. Leave out the tuning of biases.");
    }

    /// <summary>Trains, and leaves the best of the epochs' ends in place.</summary>
    private double Descend(nn.Module module, Parameter[] biases, Tensor inputs, Tensor outputs, double start, IProgress<double>? progress, CancellationToken cancellation)
    {
        using var leaves = new Leaves(biases);
        using optim.Optimizer optimizer = optim.Adam(biases, LearningRate);
        using var order = new SampleOrder(inputs.shape[0], BatchSize, Seed);
        long steps = Math.Max(1, inputs.shape[0] / BatchSize), total = steps * Epochs;
        double best = start;
        Tensor[] kept = Copies(biases);
        for (long step = 0; step < total; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (optim.ILearningRateController group in optimizer.ParamGroups)
            {
                group.LearningRate = LearningRate * (1 - ((double)step / total));
            }

            Step(module, biases, optimizer, inputs, outputs, order);
            if ((step + 1) % steps == 0)
            {
                double divergence = Divergence(module, inputs, outputs, cancellation);
                progress?.Report(divergence);
                if (divergence < best)
                {
                    best = divergence;
                    kept = Copies(biases);
                }
            }
        }

        using IDisposable noGrad = no_grad();
        foreach ((Parameter bias, Tensor value) in biases.Zip(kept))
        {
            bias.copy_(value);
        }

        return best;
    }

    private static void Step(nn.Module module, Parameter[] biases, optim.Optimizer optimizer, Tensor inputs, Tensor outputs, SampleOrder order)
    {
        using IDisposable grad = enable_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = order.Next();
        Tensor scores = EvaluationMode.Call(CalibrationPass.Callable(module), EvaluationMode.Placed(inputs.index_select(0, rows.to(inputs.device)), module), "a batch of calibration inputs");
        Tensor divergence = Divergences(outputs.index_select(0, rows.to(outputs.device)), scores).mean();
        optimizer.zero_grad();
        autograd.backward([divergence], inputs: biases);
        optimizer.step();
    }

    private double Divergence(nn.Module module, Tensor inputs, Tensor outputs, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sum = zeros(1, ScalarType.Float64, outputs.device);
        long first = 0;
        CalibrationPass.Outputs(module, inputs.split(BatchSize), scores =>
        {
            sum.add_(Divergences(outputs.narrow(0, first, scores.shape[0]), scores).sum(ScalarType.Float64));
            first += scores.shape[0];
        }, OneRank.Instance, cancellation);
        return sum.ToDouble() / inputs.shape[0];
    }

    /// <summary><c>sum_c p_c (log p_c - log q_c)</c>, a row each.</summary>
    private static Tensor Divergences(Tensor exact, Tensor scores)
    {
        Tensor logP = exact.to(scores.dtype, scores.device).log_softmax(1), logQ = scores.log_softmax(1);
        return logP.exp().mul(logP.sub(logQ)).sum(dim: 1);
    }

    private static Tensor[] Copies(Parameter[] biases)
    {
        using IDisposable noGrad = no_grad();
        return [.. biases.Select(bias => bias.detach().clone())];
    }

    /// <summary>Biases that can be trained, frozen ones too, until disposed; then flags and gradients are what they were.</summary>
    private sealed class Leaves : IDisposable
    {
        private readonly (Parameter Bias, bool Trains, Tensor? Gradient)[] _before;

        public Leaves(Parameter[] biases)
        {
            _before = [.. biases.Select(bias => (bias, bias.requires_grad, bias.grad))];
            foreach (Parameter bias in biases)
            {
                bias.grad = null;
                bias.requires_grad = true;
            }
        }

        public void Dispose()
        {
            foreach ((Parameter bias, bool trains, Tensor? gradient) in _before)
            {
                bias.grad = gradient;
                bias.requires_grad = trains;
            }
        }
    }
}

using Curvature.Objectives;
using Curvature.Quant.Networks;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>Forward passes over calibration data in evaluation mode without a graph, with eyes on layers' inputs.</summary>
internal static class CalibrationPass
{
    /// <summary>Shows every call's input of some layers; what is returned, unless null, takes its place. Of several ranks each goes over its own inputs, of which it may have none.</summary>
    public static void Run(
        QuantizableNetwork network, IEnumerable<WeightLayer> layers, Func<WeightLayer, Tensor, Tensor?> see, IEnumerable<Tensor> inputs, IRanks ranks, CancellationToken cancellation)
    {
        var hooks = new List<Action>();
        try
        {
            foreach (WeightLayer layer in layers)
            {
                hooks.Add(((nn.Module<Tensor, Tensor>)layer.Module!).register_forward_pre_hook((_, input) => see(layer, input) ?? input).remove);
            }

            Outputs(network.Module, inputs, _ => { }, ranks, cancellation);
        }
        finally
        {
            hooks.ForEach(remove => remove());
        }
    }

    /// <summary>Shows every batch's outputs, which are disposed of afterwards. Of several ranks each goes over its own inputs, of which it may have none.</summary>
    public static void Outputs(nn.Module module, IEnumerable<Tensor> inputs, Action<Tensor> see, IRanks ranks, CancellationToken cancellation)
    {
        nn.IModule<Tensor, Tensor> callable = Callable(module);
        using IDisposable noGrad = no_grad();
        using var evaluation = new EvaluationMode(module);
        int index = 0;
        ranks.Together(() =>
        {
            foreach (Tensor batch in inputs)
            {
                cancellation.ThrowIfCancellationRequested();
                using DisposeScope scope = NewDisposeScope();
                see(EvaluationMode.Call(callable, EvaluationMode.Placed(batch, module), $"calibration batch {index++}"));
            }
        });
        RequireSome(index, ranks);
    }

    /// <summary>Throws where no rank has any inputs.</summary>
    /// <param name="own">Batches, or samples, of this one.</param>
    /// <param name="ranks">The ranks.</param>
    /// <returns>Those of all ranks.</returns>
    public static double RequireSome(long own, IRanks ranks) => ranks.Sum(own) is > 0 and var all
        ? all
        : throw new CurvatureException("There are no calibration inputs. Give at least one batch; some hundreds of samples are usual.");

    public static nn.IModule<Tensor, Tensor> Callable(nn.Module module) => module as nn.IModule<Tensor, Tensor>
        ?? throw new CurvatureException($"The model {module.GetType().Name} does not map one tensor to one tensor (IModule<Tensor, Tensor>), so it cannot be calibrated on batches of inputs.");
}

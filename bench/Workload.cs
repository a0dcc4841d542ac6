using Curvature.Data;
using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>A network, one batch of made-up data, and their mean cross entropy.</summary>
internal sealed class Workload
{
    public Workload(string name, nn.Module<Tensor, Tensor> model, Tensor inputs, Tensor targets)
    {
        Name = name;
        // Batch norm with its stored statistics, as a trained checkpoint is examined.
        model.eval();
        Batch = new Batch(inputs, targets);
        Objective = Objective.Supervised(model, KnownLosses.Create("cross-entropy", new LossOptions()), [Batch]);
    }

    public string Name { get; }

    public Batch Batch { get; }

    public Objective Objective { get; }
}

using Curvature.Data;
using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>A network, made-up data in one batch or several of the same size, and their mean cross entropy.</summary>
internal sealed class Workload
{
    public Workload(string name, nn.Module<Tensor, Tensor> model, Tensor inputs, Tensor targets, int batches)
    {
        Batch[] all = [.. inputs.chunk(batches).Zip(targets.chunk(batches), (x, y) => new Batch(x, y))];
        (Name, Model) = (name, model);
        // Batch norm with its stored statistics, as a trained checkpoint is examined.
        model.eval();
        Batch = all[0];
        Objective = Objective.Supervised(model, KnownLosses.Create("cross-entropy", new LossOptions()), all);
    }

    public string Name { get; }

    public nn.Module<Tensor, Tensor> Model { get; }

    /// <summary>The first batch.</summary>
    public Batch Batch { get; }

    public Objective Objective { get; }
}

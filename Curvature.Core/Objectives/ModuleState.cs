using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>What of a module an evaluation depends on, or changes, beside the chosen parameters.</summary>
internal sealed class ModuleState(nn.Module module)
{
    /// <summary>All floating-point parameters and buffers.</summary>
    public IEnumerable<Tensor> Constants =>
        module.parameters().Concat(module.named_buffers().Select(b => b.buffer)).Where(t => t.is_floating_point());

    /// <summary>Which of the modules are in train mode, as one number.</summary>
    public int Mode => TrainingFlags().Aggregate(17, (hash, training) => unchecked((hash * 31) + (training ? 1 : 2)));

    /// <summary>Whether any of the modules is in train mode.</summary>
    public bool IsTraining => TrainingFlags().Any(training => training);

    /// <summary>
    /// Whether graphs survive the next evaluation: running statistics that move are put back as bytes in main memory, elsewhere by an operator
    /// that the graphs would notice.
    /// </summary>
    public bool GraphsCanBeKept(Device device) => device.type == DeviceType.CPU || !MovesStatistics;

    /// <summary>A snapshot of the running statistics where evaluation moves them, else null.</summary>
    public BufferSnapshot? Preserve() => MovesStatistics ? new BufferSnapshot(module) : null;

    /// <summary>Whether evaluation moves running statistics.</summary>
    public bool MovesStatistics => IsTraining && module.named_buffers().Any();

    /// <summary>TorchScript's submodules are made anew at each look, and go with the root when train() or eval() is called.</summary>
    private IEnumerable<bool> TrainingFlags() =>
        module is jit.ScriptModule ? [module.training] : module.modules().Select(m => m.training).Prepend(module.training);
}

using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>An optimizer that reads <c>.grad</c> and remembers a few tensors about each parameter.</summary>
internal abstract class FirstOrderOptimizer : OptimizerHelper
{
    private readonly Dictionary<Parameter, Tensor[]> _remembered = [];

    protected FirstOrderOptimizer(IEnumerable<Parameter> parameters, double rate)
    {
        _defaults = new OptimizerOptions { LearningRate = rate };
        _parameter_groups = new List<ParamGroup>();
        add_param_group(new ParamGroup { Parameters = parameters });
    }

    /// <summary>Steps taken.</summary>
    protected long Steps { get; private set; }

    public override void add_param_group(ParamGroup param_group)
    {
        param_group.Parameters = [.. param_group.Parameters];
        param_group.Options = new OptimizerOptions { LearningRate = _defaults.LearningRate, InitialLearningRate = _defaults.LearningRate!.Value };
        _parameter_groups.Add(param_group);
    }

    public override Tensor step(Func<Tensor> closure = null!)
    {
        Tensor loss = _step<ParamGroup>(
            group =>
            {
                foreach (Parameter parameter in group.Parameters)
                {
                    if (parameter.grad is { } g)
                    {
                        Update(parameter, g, group.LearningRate);
                    }
                }
            },
            closure);
        Steps++;
        return loss;
    }

    /// <summary>Changes one parameter by its gradient.</summary>
    protected abstract void Update(Parameter parameter, Tensor g, double lr);

    /// <summary>What is remembered about a parameter: at first so many zeros of its shape.</summary>
    protected Tensor[] Remembered(Parameter parameter, int count)
    {
        if (!_remembered.TryGetValue(parameter, out Tensor[]? tensors))
        {
            using Tensor detached = parameter.detach();
            _remembered[parameter] = tensors = [.. Enumerable.Range(0, count).Select(_ => zeros_like(detached).DetachFromDisposeScope())];
        }

        return tensors;
    }

    protected override void Dispose(bool disposing)
    {
        foreach (Tensor tensor in _remembered.Values.SelectMany(tensors => tensors))
        {
            tensor.Dispose();
        }

        base.Dispose(disposing);
    }
}

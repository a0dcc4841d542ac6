using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>
/// Lion, without weight decay: a step of lr in each entry, by the sign of a mean of gradients,
/// <code>
/// theta = theta - lr sign(b1 m + (1 - b1) g)
/// m = b2 m + (1 - b2) g
/// </code>
/// with betas 0.9 and 0.99. Chen and others 2023, Symbolic Discovery of Optimization Algorithms, program 1.
/// </summary>
internal sealed class Lion(IEnumerable<Parameter> parameters, double rate) : FirstOrderOptimizer(parameters, rate)
{
    private const double B1 = 0.9, B2 = 0.99;

    protected override void Update(Parameter parameter, Tensor g, double lr)
    {
        Tensor m = Remembered(parameter, 1)[0];
        parameter.add_(m.mul(B1).add_(g, 1 - B1).sign(), -lr);
        m.mul_(B2).add_(g, 1 - B2);
    }
}

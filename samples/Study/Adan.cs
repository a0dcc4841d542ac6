using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>
/// Adan, without weight decay: Adam with Nesterov's momentum in the difference of gradients. With <c>d = g - (g before)</c>, 0 on the first step,
/// <code>
/// m = b1 m + (1 - b1) g
/// v = b2 v + (1 - b2) d
/// n = b3 n + (1 - b3) (g + b2 d)^2
/// theta = theta - lr (m / (1 - b1^t) + b2 v / (1 - b2^t)) / (sqrt(n / (1 - b3^t)) + eps)
/// </code>
/// with b 0.98, 0.92, 0.99 and eps 1e-8. Xie, Zhou, Li, Lin, Yan 2022, Adan: Adaptive Nesterov Momentum Algorithm, algorithm 1, with b for its 1 - beta and the bias correction of
/// the authors' code (sail-sg/Adan).
/// </summary>
internal sealed class Adan(IEnumerable<Parameter> parameters, double rate) : FirstOrderOptimizer(parameters, rate)
{
    private const double B1 = 0.98, B2 = 0.92, B3 = 0.99, Epsilon = 1e-8;

    protected override void Update(Parameter parameter, Tensor g, double lr)
    {
        (double c1, double c2, double c3) = (Correction(B1), Correction(B2), Correction(B3));
        if (Remembered(parameter, 4) is not [var m, var v, var n, var before])
        {
            return;
        }

        Tensor d = Steps == 0 ? zeros_like(g) : g.sub(before);
        m.mul_(B1).add_(g, 1 - B1);
        v.mul_(B2).add_(d, 1 - B2);
        Tensor ahead = g.add(d, B2);
        n.mul_(B3).addcmul_(ahead, ahead, 1 - B3);
        Tensor direction = m.div(c1).add_(v, B2 / c2);
        parameter.addcdiv_(direction, n.div(c3).sqrt().add_(Epsilon), -lr);
        before.copy_(g);
    }

    private double Correction(double beta) => 1 - Math.Pow(beta, Steps + 1);
}

using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench.Networks;

/// <summary>784-512-512-10 with ReLU: 669,706 parameters, nearly all the work in three matrix products.</summary>
internal sealed class Mlp : nn.Module<Tensor, Tensor>
{
    private readonly Linear first = nn.Linear(784, 512);
    private readonly Linear second = nn.Linear(512, 512);
    private readonly Linear third = nn.Linear(512, 10);

    public Mlp()
        : base(nameof(Mlp)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        Tensor hidden = nn.functional.relu(first.call(input));
        hidden = nn.functional.relu(second.call(hidden));
        return third.call(hidden);
    }
}

using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>A network of two hidden tanh layers without biases, for inputs of length 1 and ten classes, in one of two parametrisations.</summary>
internal sealed class WideNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Parameter first, second, last;
    private readonly double _second, _last;

    public WideNetwork(long inputs, long width, Parametrisation kind) : base(nameof(WideNetwork))
    {
        manual_seed(1);
        bool mup = kind == Parametrisation.MuP;
        RateFactor = mup ? width : 1;
        (_second, _last) = mup ? (1 / Math.Sqrt(width), 1.0 / width) : (1, 1);
        Parameter Weight(long rows, long columns, double deviation) => new(randn(rows, columns).mul_(deviation));
        double own = mup ? 1 : 1 / Math.Sqrt(width);
        (first, second, last) = (Weight(width, inputs, 1), Weight(width, width, own), Weight(10, width, own));
        foreach (Parameter weight in (Parameter[])[first, second, last])
        {
            weight.DetachFromDisposeScope();
        }

        RegisterComponents();
    }

    /// <summary>What the learning rate is multiplied by.</summary>
    public double RateFactor { get; }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = input.mm(first.t()).tanh();
        return hidden.mm(second.t()).mul(_second).tanh().mm(last.t()).mul(_last).MoveToOuterDisposeScope();
    }
}

using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Checkpoints;

/// <summary>A user's network.</summary>
public sealed class SmallNet : nn.Module<Tensor, Tensor>
{
    private readonly Linear fc = nn.Linear(2, 1);

    public SmallNet() : base("small") => RegisterComponents();

    public override Tensor forward(Tensor input) => fc.call(input);
}

/// <summary>A network whose own names start like those that PyTorch's wrappers write.</summary>
public sealed class NetOfModule : nn.Module<Tensor, Tensor>
{
    private readonly Linear module = nn.Linear(2, 1);

    public NetOfModule() : base("module") => RegisterComponents();

    public override Tensor forward(Tensor input) => module.call(input);
}

/// <summary>A network whose type says no size.</summary>
public sealed class NeedsWidth : nn.Module<Tensor, Tensor>
{
    private readonly Linear fc;

    public NeedsWidth(long width) : base("sized")
    {
        fc = nn.Linear(width, 1);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => fc.call(input);
}

/// <summary>A network of two inputs, which no objective of ours calls.</summary>
public sealed class TwoInputs : nn.Module<Tensor, Tensor, Tensor>
{
    public TwoInputs() : base("two")
    {
    }

    public override Tensor forward(Tensor input1, Tensor input2) => input1 + input2;
}

/// <summary>A network that cannot be made.</summary>
public sealed class Failing : nn.Module<Tensor, Tensor>
{
    public Failing() : base("failing") => throw new InvalidOperationException("no such luck");

    public override Tensor forward(Tensor input) => input;
}

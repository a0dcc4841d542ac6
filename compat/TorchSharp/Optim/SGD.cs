namespace TorchSharp.Modules;

/// <summary>b = mu b + (1 - tau) g (the first b is g); theta -= lr b, or with Nesterov lr (g + mu b); g has the decay in it.</summary>
public class SGD : OptimizerHelper, torch.optim.IMomentum
{
    public SGD(IEnumerable<Parameter> parameters, double lr, double momentum = 0, double dampening = 0, double weight_decay = 0,
        bool nesterov = false, bool maximize = false)
    {
        if (nesterov && (momentum <= 0 || dampening != 0))
        {
            throw new ArgumentException("Nesterov momentum needs momentum > 0 and dampening = 0.");
        }
        _defaults = new SgdOptions
        {
            LearningRate = lr,
            Momentum = momentum,
            Dampening = dampening,
            WeightDecay = weight_decay,
            Nesterov = nesterov,
            Maximize = maximize,
        };
        add_param_group(new Group { Parameters = parameters });
    }

    /// <summary>Of groups to come, as TorchSharp has it; those there are have their own.</summary>
    public double Momentum { get => ((SgdOptions)_defaults).Momentum; set => ((SgdOptions)_defaults).Momentum = value; }

    public override void add_param_group(ParamGroup param_group) => Add<SgdOptions>(param_group, parameter => new SgdState(parameter));

    public override torch.Tensor step(Func<torch.Tensor> closure = null!) => _step<ParamGroup>(group =>
    {
        var o = (SgdOptions)group.Options;
        foreach (Parameter parameter in group.Parameters)
        {
            if (parameter.grad is not { } g) continue;
            g = o.Maximize ? g.neg() : g;
            g = o.WeightDecay == 0 ? g : g.add(parameter, o.WeightDecay);
            if (o.Momentum != 0)
            {
                torch.Tensor buffer = ((SgdState)_state[parameter.Handle]).Update(g, o.Momentum, 1 - o.Dampening);
                g = o.Nesterov ? g.add(buffer, o.Momentum) : buffer;
            }
            parameter.add_(g, -group.LearningRate);
        }
    }, closure);

    protected override void Dispose(bool disposing)
    {
        DisposeStates();
        base.Dispose(disposing);
    }

    private sealed class Group : ParamGroup, torch.optim.IMomentum
    {
        public double Momentum { get => ((SgdOptions)Options).Momentum; set => ((SgdOptions)Options).Momentum = value; }
    }
}

internal sealed class SgdOptions : OptimizerOptions
{
    public double Momentum { get; set; }
    public double Dampening { get; set; }
    public double WeightDecay { get; set; }
    public bool Nesterov { get; set; }
    public bool Maximize { get; set; }

    public override void SaveStateDict(BinaryWriter writer)
    {
        base.SaveStateDict(writer);
        writer.Write(Momentum);
        writer.Write(Dampening);
        writer.Write(WeightDecay);
        writer.Write(Nesterov);
        writer.Write(Maximize);
    }

    public override void LoadStateDict(BinaryReader reader)
    {
        base.LoadStateDict(reader);
        (Momentum, Dampening, WeightDecay) = (reader.ReadDouble(), reader.ReadDouble(), reader.ReadDouble());
        (Nesterov, Maximize) = (reader.ReadBoolean(), reader.ReadBoolean());
    }

    public override void LoadStateDict(OptimizerOptions source)
    {
        base.LoadStateDict(source);
        var other = (SgdOptions)source;
        (Momentum, Dampening, WeightDecay) = (other.Momentum, other.Dampening, other.WeightDecay);
        (Nesterov, Maximize) = (other.Nesterov, other.Maximize);
    }
}

internal sealed class SgdState(Parameter parameter) : OptimizerState(parameter), IDisposable
{
    private torch.Tensor _buffer = null!;

    public torch.Tensor Update(torch.Tensor gradient, double momentum, double share) => _buffer is null
        ? _buffer = gradient.clone().DetachFromDisposeScope()
        : _buffer.mul_(momentum).add_(gradient, share);

    public override void Initialize(OptimizerOptions options) { }

    public override void SaveStateDict(BinaryWriter writer) => SaveConditionalStateTensor(writer, _buffer);

    public override void LoadStateDict(BinaryReader reader) => LoadConditionalStateTensor(reader, ref _buffer, _parameter.device);

    public override void LoadStateDict(OptimizerState source) => Replace(ref _buffer, ((SgdState)source)._buffer, _parameter.device);

    public override void to(torch.Device device) => Replace(ref _buffer, _buffer, device);

    public void Dispose() => _buffer?.Dispose();
}

using TorchSharp.Utils;

namespace TorchSharp.Modules;

/// <summary>The moments m and v of one parameter, and the update that Adam and AdamW share.</summary>
internal sealed class AdamState(Parameter parameter) : OptimizerState(parameter), IDisposable
{
    private long _step;
    private torch.Tensor _m = ZerosLike(parameter);
    private torch.Tensor _v = ZerosLike(parameter);
    private torch.Tensor _vMax = null!;

    public static void Update(ParamGroup group, OrderedDict<IntPtr, OptimizerState> states, bool decoupled)
    {
        var options = (AdamOptions)group.Options;
        foreach (Parameter parameter in group.Parameters)
        {
            if (parameter.grad is { } gradient)
            {
                ((AdamState)states[parameter.Handle]).Update(options.Maximize ? gradient.neg() : gradient, options, decoupled);
            }
        }
    }

    /// <summary>m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, theta -= lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps).</summary>
    private void Update(torch.Tensor g, AdamOptions o, bool decoupled)
    {
        double lr = o.LearningRate!.Value;
        if (o.WeightDecay != 0 && decoupled) _parameter.mul_(1 - (lr * o.WeightDecay));
        else if (o.WeightDecay != 0) g = g.add(_parameter, o.WeightDecay);
        _step++;
        _m.mul_(o.Beta1).add_(g, 1 - o.Beta1);
        _v.mul_(o.Beta2).addcmul_(g, g, 1 - o.Beta2);
        torch.Tensor v = _v;
        if (o.AmsGrad)
        {
            torch.Tensor larger = _vMax is null ? _v.clone() : _vMax.maximum(_v);
            Replace(ref _vMax!, larger, _parameter.device);
            v = _vMax;
        }
        torch.Tensor denominator = v.sqrt().div_(Math.Sqrt(1 - Math.Pow(o.Beta2, _step))).add_(o.Epsilon);
        _parameter.addcdiv_(_m, denominator, -lr / (1 - Math.Pow(o.Beta1, _step)));
    }

    public override void Initialize(OptimizerOptions options) { }

    public override void SaveStateDict(BinaryWriter writer)
    {
        writer.Write(_step);
        DatFormat.WriteTensor(writer, _m);
        DatFormat.WriteTensor(writer, _v);
        SaveConditionalStateTensor(writer, _vMax);
    }

    public override void LoadStateDict(BinaryReader reader)
    {
        _step = reader.ReadInt64();
        DatFormat.ReadTensor(reader, "exp_avg", _m);
        DatFormat.ReadTensor(reader, "exp_avg_sq", _v);
        LoadConditionalStateTensor(reader, ref _vMax, _parameter.device);
    }

    public override void LoadStateDict(OptimizerState source)
    {
        var other = (AdamState)source;
        _step = other._step;
        Replace(ref _m, other._m, _parameter.device);
        Replace(ref _v, other._v, _parameter.device);
        Replace(ref _vMax, other._vMax, _parameter.device);
    }

    public override void to(torch.Device device)
    {
        Replace(ref _m, _m, device);
        Replace(ref _v, _v, device);
        Replace(ref _vMax, _vMax, device);
    }

    public void Dispose()
    {
        _m.Dispose();
        _v.Dispose();
        _vMax?.Dispose();
    }
}

internal sealed class AdamOptions : OptimizerOptions
{
    public AdamOptions() { }

    public AdamOptions(double lr, double beta1, double beta2, double epsilon, double weightDecay, bool amsGrad, bool maximize)
    {
        LearningRate = lr;
        (Beta1, Beta2, Epsilon, WeightDecay, AmsGrad, Maximize) = (beta1, beta2, epsilon, weightDecay, amsGrad, maximize);
    }

    public double Beta1 { get; set; }
    public double Beta2 { get; set; }
    public double Epsilon { get; set; }
    public double WeightDecay { get; set; }
    public bool AmsGrad { get; set; }
    public bool Maximize { get; set; }

    public static (double, double) BetasOf(IList<ParamGroup> groups) =>
        groups[0].Options is AdamOptions options ? (options.Beta1, options.Beta2) : default;

    public static void SetBetas(IList<ParamGroup> groups, (double, double) betas)
    {
        foreach (AdamOptions options in groups.Select(group => (AdamOptions)group.Options)) (options.Beta1, options.Beta2) = betas;
    }

    public override void SaveStateDict(BinaryWriter writer)
    {
        base.SaveStateDict(writer);
        writer.Write(Beta1);
        writer.Write(Beta2);
        writer.Write(Epsilon);
        writer.Write(WeightDecay);
        writer.Write(AmsGrad);
        writer.Write(Maximize);
    }

    public override void LoadStateDict(BinaryReader reader)
    {
        base.LoadStateDict(reader);
        (Beta1, Beta2, Epsilon, WeightDecay) = (reader.ReadDouble(), reader.ReadDouble(), reader.ReadDouble(), reader.ReadDouble());
        (AmsGrad, Maximize) = (reader.ReadBoolean(), reader.ReadBoolean());
    }

    public override void LoadStateDict(OptimizerOptions source)
    {
        base.LoadStateDict(source);
        var o = (AdamOptions)source;
        (Beta1, Beta2, Epsilon, WeightDecay, AmsGrad, Maximize) = (o.Beta1, o.Beta2, o.Epsilon, o.WeightDecay, o.AmsGrad, o.Maximize);
    }
}

namespace TorchSharp.Modules;

/// <summary>Adam with decoupled weight decay: theta is first multiplied by 1 - lr lambda (Loshchilov and Hutter 2019).</summary>
public class AdamW : OptimizerHelper, torch.optim.IBetas
{
    public AdamW(IEnumerable<Parameter> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1E-08,
        double weight_decay = 0, bool amsgrad = false, bool maximize = false)
    {
        _defaults = new AdamOptions(lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);
        add_param_group(new ParamGroup { Parameters = parameters });
    }

    public (double, double) Betas
    {
        get => AdamOptions.BetasOf(_parameter_groups);
        set => AdamOptions.SetBetas(_parameter_groups, value);
    }

    public override void add_param_group(ParamGroup param_group) => Add<AdamOptions>(param_group, parameter => new AdamState(parameter));

    public override torch.Tensor step(Func<torch.Tensor> closure = null!) =>
        _step<ParamGroup>(group => AdamState.Update(group, _state, decoupled: true), closure);

    protected override void Dispose(bool disposing)
    {
        DisposeStates();
        base.Dispose(disposing);
    }
}

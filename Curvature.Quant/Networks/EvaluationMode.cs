using static TorchSharp.torch;

namespace Curvature.Quant.Networks;

/// <summary>A model in evaluation mode until disposed; then every module is in the mode it was in.</summary>
internal sealed class EvaluationMode : IDisposable
{
    private readonly (nn.Module Module, bool Training)[] _modes;

    public EvaluationMode(nn.Module model)
    {
        // TorchScript's submodules are made anew at each look, and go with the root. Parents come before their children, whom train() takes along.
        _modes = model is jit.ScriptModule ? [(model, model.training)] : [.. model.named_modules().Select(m => m.module).Prepend(model).Select(m => (m, m.training))];
        model.eval();
    }

    public void Dispose()
    {
        foreach ((nn.Module module, bool training) in _modes)
        {
            module.train(training);
        }
    }

    /// <summary>Inputs or targets where the model is; floating ones in its dtype, integers never.</summary>
    public static Tensor Placed(Tensor values, nn.Module model)
    {
        Tensor like = model.parameters().First();
        ScalarType type = values.is_floating_point() ? like.dtype : values.dtype;
        return values.to(type, like.device);
    }
}

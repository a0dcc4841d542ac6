using System.Runtime.InteropServices;
using Curvature.Tensors;
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

    /// <summary>The model's outputs for inputs that are <see cref="Placed"/>; what it rejects is an error that names them.</summary>
    /// <param name="callable">The model.</param>
    /// <param name="inputs">Samples first.</param>
    /// <param name="what">What messages call the inputs.</param>
    public static Tensor Call(nn.IModule<Tensor, Tensor> callable, Tensor inputs, string what)
    {
        try
        {
            return callable.call(inputs);
        }
        catch (Exception error) when (error is ExternalException or ArgumentException)
        {
            throw new CurvatureException(
                $"The model rejected {what}: inputs of shape [{string.Join(", ", inputs.shape)}], {inputs.dtype}. The engine says: {EngineError.Summary(error)}. Check that they have the shape the model takes, samples first.", error);
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

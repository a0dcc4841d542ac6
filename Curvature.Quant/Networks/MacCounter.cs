using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Quant.Networks;

/// <summary>Multiply-accumulates by hooks on the layers in one forward pass.</summary>
internal static class MacCounter
{
    /// <summary>Those of one sample for each weight, over all calls of all its owners; null where an owner's kind is not known or none is called.</summary>
    public static long?[] Count(nn.Module model, nn.Module[][] owners, Tensor sample)
    {
        if (model is not nn.IModule<Tensor, Tensor> callable)
        {
            throw new CurvatureException($"The model {model.GetType().Name} does not map one tensor to one tensor, so a sample cannot be run through it; leave the sample out.");
        }

        long?[] sums = new long?[owners.Length];
        var hooks = new List<Action>();
        try
        {
            for (int i = 0; i < owners.Length; i++)
            {
                if (owners[i].Any(owner => !Knows(owner)))
                {
                    continue;
                }

                int layer = i;
                hooks.AddRange(owners[i].Cast<nn.Module<Tensor, Tensor>>().Select(owner => (Action)owner.register_forward_hook((module, input, output) =>
                {
                    sums[layer] = (sums[layer] ?? 0) + OfCall(module, input, output);
                    return output;
                }).remove));
            }

            Run(model, callable, sample);
        }
        finally
        {
            hooks.ForEach(remove => remove());
        }

        return [.. sums.Select(sum => sum / sample.shape[0])];
    }

    private static void Run(nn.Module model, nn.IModule<Tensor, Tensor> callable, Tensor sample)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using var evaluation = new EvaluationMode(model);
        EvaluationMode.Call(callable, EvaluationMode.Placed(sample, model), "a sample");
    }

    private static bool Knows(nn.Module module) => module is nn.Module<Tensor, Tensor> && module is Linear or Embedding or Convolution || IsTransposed(module);

    /// <summary>TorchSharp's transposed convolutions are of types of their own below Convolution.</summary>
    private static bool IsTransposed(nn.Module module) => module is nn.Module<Tensor, Tensor> && module.GetType().Name.StartsWith("ConvTranspose", StringComparison.Ordinal);

    private static long OfCall(nn.Module module, Tensor input, Tensor output)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor weight = module.named_parameters(recurse: false).First(p => p.name == "weight").parameter;
        long each = weight.numel() / weight.shape[0]; // of an output entry: C_in / groups times the kernel; of a transposed convolution's input entry
        return module is Embedding ? 0 : each * (IsTransposed(module) ? input : output).numel();
    }
}

using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// Whether a model's outputs are piecewise linear in the parameters of one layer, the others fixed. Where they are, the second derivative of the outputs
/// within the layer's block is zero, and the Hessian's diagonal block is that of the GGN.
/// <para>
/// It is asked of the model itself, on a few rows: <c>d^2 (u . z) / dtheta_l^2 v</c> for random u and v, which automatic differentiation gives as exactly zero for
/// piecewise-linear networks. That finds smooth functions, products and attention in any forward pass. Modules without parts of their own must be of
/// a known kind besides: a function with curved pieces could lie flat at those rows.
/// </para>
/// </summary>
internal static class PiecewiseLinearity
{
    /// <summary>Kinds of module that are piecewise linear in their input (in evaluation mode).</summary>
    private static readonly HashSet<string> Linear =
    [
        "Linear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d",
        "ReLU", "ReLU6", "LeakyReLU", "RReLU", "PReLU", "Hardtanh", "Threshold", "Softshrink", "Hardshrink", "Hardsigmoid",
        "MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d",
        "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "Flatten", "Unflatten", "Identity", "Embedding", "EmbeddingBag",
        "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout",
        "ZeroPad2d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d",
        "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "Upsample",
    ];

    /// <summary>Kinds that are smooth: what they do to a layer, the derivative tells.</summary>
    private static readonly HashSet<string> Smooth =
    [
        "Tanh", "Sigmoid", "GELU", "SiLU", "Mish", "ELU", "CELU", "SELU", "Softplus", "Softsign", "Tanhshrink", "LogSigmoid", "Softmax", "LogSoftmax", "Softmax2d", "Softmin", "GLU",
        "LayerNorm", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LocalResponseNorm", "MultiheadAttention",
    ];

    /// <summary>For each layer of the objective's parameters, why its Hessian block may differ from the GGN's; null where it does not.</summary>
    /// <param name="objective">The objective.</param>
    /// <param name="modules">All modules of the model, with their paths.</param>
    /// <param name="uses">How often each parameter acts in a batch.</param>
    public static string?[] Obstacles(Objective objective, IReadOnlyList<(string Name, nn.Module Module)> modules, IReadOnlyList<int> uses)
    {
        ParameterSpace space = objective.Parameters;
        (string Name, nn.Module Module)[] unknown = [.. modules.Where(m => !m.Module.children().Any() && !IsListed(m.Module))];
        string? common = unknown.Length > 0
            ? $"the module '{unknown[0].Name}' is a {unknown[0].Module.GetType().Name}, which is not known to be piecewise linear"
            : null;
        string smooth = string.Join(", ", modules.Where(m => Smooth.Contains(m.Module.GetType().Name)).Select(m => $"{m.Module.GetType().Name} '{m.Name}'").Take(3));
        bool[]? curved = null;
        try
        {
            objective.EnsureTwiceDifferentiable();
            curved = objective.OnFewRows(split => Curved(split, space));
        }
        catch (CurvatureException error) when (error is NoSecondDerivativeException or NonDeterministicException)
        {
            common ??= error.Message;
        }

        return [.. space.Layers.Select((layer, l) =>
            layer.Indices.FirstOrDefault(i => uses[i] > 1, -1) is >= 0 and int tied ? $"'{space.Names[tied]}' acts {uses[tied]} times (tied weights, or a layer called again), and the outputs are not linear in it"
            : curved?[l] == true ? $"the outputs are not piecewise linear in it{(smooth.Length > 0 ? $": the model holds {smooth}" : ": its forward pass holds a smooth function or a product")}"
            : common)];
    }

    /// <summary>Refuses a layer whose Hessian block may differ from the GGN's, by name.</summary>
    /// <param name="space">The parameters with their layers.</param>
    /// <param name="obstacles">Of each layer, from <see cref="Obstacles"/>.</param>
    /// <param name="quantity">What was asked of the Hessian: trace or diagonal.</param>
    /// <param name="stochastic">What to take in its place.</param>
    /// <exception cref="CurvatureException">There is such a layer.</exception>
    public static void Require(ParameterSpace space, string?[] obstacles, string quantity, string stochastic)
    {
        int blocked = Array.FindIndex(obstacles, o => o is not null);
        if (blocked >= 0)
        {
            throw new CurvatureException(
                $"The Hessian's block of '{space.Layers[blocked].Name}' has no exact {quantity} by per-sample gradients: {obstacles[blocked]}. "
                + $"Take the GGN's (RequireHessian = false) or the stochastic one: {stochastic} of a HessianOperator.");
        }
    }

    private static bool IsListed(nn.Module module) => Linear.Contains(module.GetType().Name) || Smooth.Contains(module.GetType().Name);

    /// <summary>For each layer, whether <c>u . z</c> has a second derivative within its block.</summary>
    private static bool[] Curved(SplitBatch split, ParameterSpace space)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable grad = enable_grad();
        (Tensor z, _) = split.Evaluate();
        Tensor u = Probes.Draw(ProbeKind.Gaussian, z.numel(), 0, 1, 0, z.dtype, z.device).reshape(z.shape);
        Tensor?[] g = Gradients.Of(z.mul(u).sum(), space.Parameters, createGraph: true);
        return [.. space.Layers.Select(layer =>
        {
            Tensor[] theta = [.. layer.Indices.Select(i => space.Parameters[i])];
            Tensor?[] own = [.. layer.Indices.Select(i => g[i])];
            Tensor[] v = [.. theta.Select((p, k) => Probes.Draw(ProbeKind.Gaussian, p.numel(), k + 1, 1, 0, p.dtype, p.device).reshape(p.shape))];
            Tensor?[] h = Gradients.VectorJacobianProduct(own, v, theta);
            double second = Norm(h) * Norm(theta), first = Norm(own) * Norm(v);
            return second > Precision.Epsilon(space.DType) * first;
        })];
    }

    private static double Norm(IEnumerable<Tensor?> parts)
    {
        using IDisposable noGrad = no_grad();
        return Math.Sqrt(parts.OfType<Tensor>().Sum(p => Math.Pow(Precision.Norm(p), 2)));
    }
}

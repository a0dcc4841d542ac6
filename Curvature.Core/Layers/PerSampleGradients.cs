using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// The per-sample gradients of a model's outputs in its parameters, from what its layers were given and the gradients of what they returned: known for linear
/// layers, convolutions, batch norm in evaluation mode and layer norm. What it takes is checked: that samples do not see each other, and that a
/// parameter acts through its layers alone.
/// </summary>
internal sealed class PerSampleGradients
{
    private const string Remedy = "Choose other parameters (ParameterSpace.Of(model, glob)), or take the stochastic trace: HutchinsonTrace of a GgnOperator.";

    private readonly Objective _objective;
    private readonly nn.Module<Tensor, Tensor>[] _layers;
    private bool _checked;

    /// <param name="objective">A split objective.</param>
    /// <param name="model">The model that it evaluates.</param>
    /// <exception cref="CurvatureException">TorchScript, a layer of an unknown kind, batch norm in train mode: by name.</exception>
    public PerSampleGradients(Objective objective, nn.Module model)
    {
        _objective = objective.RequireSplit("Exact layer traces");
        if (model is jit.ScriptModule)
        {
            throw new CurvatureException(
                "A TorchScript module has no hooks, so what its layers see cannot be recorded. Load the weights into a C# model, or take the stochastic trace: "
                + "HutchinsonTrace of a GgnOperator.");
        }

        Modules = [.. model.named_modules().Prepend(("", model))];
        if (Modules.FirstOrDefault(m => m.Module is BatchNorm norm && (norm.training || norm.running_mean is null)) is { Module: not null } coupled)
        {
            throw new CurvatureException(
                $"The batch norm '{coupled.Name}' normalises by the batch's statistics, through which samples see each other: there are no per-sample gradients. "
                + "Call eval(), or take the stochastic trace: HutchinsonTrace of a GgnOperator.");
        }

        _layers = [.. Parameters.SelectMany((p, i) => p.requires_grad ? Owners(i) : []).Distinct()];
    }

    /// <summary>All modules with their paths, the model itself first under the empty name.</summary>
    public IReadOnlyList<(string Name, nn.Module Module)> Modules { get; }

    /// <summary>How often each parameter acted in the last batch evaluated.</summary>
    public IReadOnlyList<int> Uses { get; private set; } = [];

    private IReadOnlyList<Tensor> Parameters => _objective.Parameters.Parameters;

    /// <summary>
    /// Evaluates a batch, pulls tensors s of the outputs' shape back to the layers' outputs, a backward pass each, and hands on the parameters' uses.
    /// </summary>
    /// <param name="batch">The batch.</param>
    /// <param name="weight">A factor on the loss.</param>
    /// <param name="tangents">The tensors s, made from the loss's curvature at the outputs.</param>
    /// <param name="visit">Gets the index of s, of the parameter, and its uses with the gradients of the calls' outputs.</param>
    public void Visit(
        ObjectiveBatch batch,
        double weight,
        Func<OutputCurvature, IEnumerable<Tensor>> tangents,
        Action<int, int, IReadOnlyList<(ParameterUse Use, Tensor G)>> visit)
    {
        using DisposeScope scope = NewDisposeScope();
        using LayerTape tape = new(_layers);
        Tensor z, targets;
        using (enable_grad())
        {
            (z, targets) = batch.Split!.Evaluate();
        }

        tape.Stop();
        using IDisposable noGrad = no_grad();
        (int Call, ParameterUse Use)[][] uses = UsesOf(tape, z.shape[0]);
        Uses = [.. uses.Select(u => u.Length)];
        Tensor[] outputs = [.. tape.Calls.Select(c => c.Output)];
        if (!_checked)
        {
            CheckThatSamplesAreApart(z, outputs, tape);
            CheckThatNothingIsMissing(z, outputs, uses);
            _checked = true;
        }

        using OutputCurvature curvature = batch.Split.Loss.CurvatureAt(z, targets, weight);
        int index = 0;
        foreach (Tensor s in tangents(curvature))
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor?[] g = Gradients.VectorJacobianProduct([z], [s], outputs);
            for (int i = 0; i < uses.Length; i++)
            {
                (ParameterUse, Tensor)[] live = [.. uses[i].Where(u => g[u.Call] is not null).Select(u => (u.Use, g[u.Call]!))];
                if (live.Length > 0)
                {
                    visit(index, i, live);
                }
            }

            s.Dispose();
            index++;
        }
    }

    /// <summary>The layers that parameter i acts in; refuses those whose gradients are not known.</summary>
    private IEnumerable<nn.Module<Tensor, Tensor>> Owners(int i)
    {
        (string Name, nn.Module Module)[] owners =
            [.. Modules.Where(m => m.Module.named_parameters(recurse: false).Any(p => ReferenceEquals(p.parameter, Parameters[i])))];
        foreach ((string name, nn.Module module) in owners)
        {
            yield return module is nn.Module<Tensor, Tensor> layer && IsKnown(layer)
                ? layer
                : throw new CurvatureException(
                    $"'{_objective.Parameters.Names[i]}' belongs to '{name}', a {module.GetType().Name}: per-sample gradients are known for Linear, Conv1d, Conv2d, Conv3d, "
                    + $"BatchNorm (in evaluation mode) and LayerNorm. {Remedy}");
        }
    }

    private static bool IsKnown(nn.Module<Tensor, Tensor> layer) =>
        layer is Linear or BatchNorm or LayerNorm || (layer is Convolution && layer.GetType().Name is "Conv1d" or "Conv2d" or "Conv3d");

    private (int Call, ParameterUse Use)[][] UsesOf(LayerTape tape, long samples)
    {
        List<(int, ParameterUse)>[] uses = [.. Parameters.Select(_ => new List<(int, ParameterUse)>())];
        for (int c = 0; c < tape.Calls.Count; c++)
        {
            LayerCall call = tape.Calls[c];
            if (call.Input.shape[0] != samples || call.Output.shape[0] != samples)
            {
                throw new CurvatureException(
                    $"The layer '{NameOf(call.Layer)}' works on {call.Input.shape[0]} rows where the outputs have {samples}: samples must stay apart in the first dimension. {Remedy}");
            }

            foreach ((Tensor parameter, Func<ParameterUse> use) in Contributions(call, samples))
            {
                if (IndexOf(parameter) is >= 0 and int i)
                {
                    uses[i].Add((c, use()));
                }
            }
        }

        return [.. uses.Select(u => u.ToArray())];
    }

    /// <summary>The weight and the bias of a call, each with what makes its use.</summary>
    private static IEnumerable<(Tensor Parameter, Func<ParameterUse> Use)> Contributions(LayerCall call, long n)
    {
        Tensor x = call.Input;
        (Tensor? weight, Tensor? bias, Func<ParameterUse> ofWeight, Func<long, Func<Tensor, Tensor>> arrange) = call.Layer switch
        {
            Linear l => (l.weight, l.bias, () => WeightUse.Of(l, x), d => AffineUse.FeaturesLast(n, d)),
            Convolution c => (c.weight, c.bias, () => WeightUse.Of(c, x, call.Output.shape.AsSpan(2)), d => AffineUse.ChannelsFirst(n, d)),
            BatchNorm b => (b.affine ? b.weight : null, b.bias, () => new AffineUse(Normalised(b, x), AffineUse.ChannelsFirst(n, b.weight.numel()), b.weight.numel()), d => AffineUse.ChannelsFirst(n, d)),
            LayerNorm m => ((Tensor?, Tensor?, Func<ParameterUse>, Func<long, Func<Tensor, Tensor>>))(m.weight, m.bias, () => new AffineUse(Normalised(m, x), AffineUse.FeaturesLast(n, m.weight.numel()), m.weight.numel()), d => AffineUse.FeaturesLast(n, d)),
            _ => throw new CurvatureException($"No per-sample gradients are known for a {call.Layer.GetType().Name}."),
        };
        if (weight is not null)
        {
            yield return (weight, ofWeight);
        }

        if (bias is not null)
        {
            yield return (bias, () => new AffineUse(null, arrange(bias.numel()), bias.numel()));
        }
    }

    private static Tensor Normalised(BatchNorm norm, Tensor x) =>
        nn.functional.batch_norm(x, norm.running_mean, norm.running_var, null, null, false, 0, norm.eps);

    private static Tensor Normalised(LayerNorm norm, Tensor x) => nn.functional.layer_norm(x, [.. norm.weight.shape], null, null, norm.eps);

    /// <summary>A backward pass from the first row of the outputs alone: the other rows of every layer must have no gradient.</summary>
    private void CheckThatSamplesAreApart(Tensor z, Tensor[] outputs, LayerTape tape)
    {
        if (z.shape[0] == 1)
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor u = RandomLike(z);
        u.narrow(0, 1, z.shape[0] - 1).zero_();
        Tensor?[] g = Gradients.VectorJacobianProduct([z], [u], outputs);
        for (int c = 0; c < outputs.Length; c++)
        {
            if (g[c] is { } gradient && gradient.narrow(0, 1, z.shape[0] - 1).abs().max().ToDouble() > 0)
            {
                throw new CurvatureException(
                    $"The outputs of one sample depend on other samples at the layer '{NameOf(tape.Calls[c].Layer)}', or its first dimension is not that of the samples: "
                    + $"there are no per-sample gradients. {Remedy}");
            }
        }
    }

    /// <summary>A gradient by autograd: what the uses of a parameter give, summed over the samples, must be all of it.</summary>
    private void CheckThatNothingIsMissing(Tensor z, Tensor[] outputs, (int Call, ParameterUse Use)[][] uses)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor?[] g = Gradients.VectorJacobianProduct([z], [RandomLike(z)], [.. outputs, .. Parameters]);
        for (int i = 0; i < Parameters.Count; i++)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor missing = g[outputs.Length + i]?.reshape(-1) ?? zeros(Parameters[i].numel(), z.dtype, z.device);
            double size = Precision.Norm(missing);
            (ParameterUse, Tensor)[] live = [.. uses[i].Where(u => g[u.Call] is not null).Select(u => (u.Use, g[u.Call]!))];
            missing = live.Length > 0 ? missing.sub(ParameterUse.Sum(live)) : missing;
            if (Precision.Norm(missing) > (z.dtype == ScalarType.Float64 ? 1e-8 : 1e-3) * size)
            {
                throw new CurvatureException(
                    $"The parameter '{_objective.Parameters.Names[i]}' also acts outside the calls of its layer (a functional call with its weight, forward() instead of call()): "
                    + $"its gradient is not what the layer's inputs and outputs give. {Remedy}");
            }
        }
    }

    private static Tensor RandomLike(Tensor z) => Probes.Draw(ProbeKind.Gaussian, z.numel(), 0, 1, 0, z.dtype, z.device).reshape(z.shape);

    private int IndexOf(Tensor parameter)
    {
        for (int i = 0; i < Parameters.Count; i++)
        {
            if (Parameters[i].requires_grad && ReferenceEquals(Parameters[i], parameter))
            {
                return i;
            }
        }

        return -1;
    }

    private string NameOf(nn.Module layer) => Modules.First(m => ReferenceEquals(m.Module, layer)).Name;
}

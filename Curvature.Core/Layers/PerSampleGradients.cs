using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// The per-sample gradients of a model's outputs in its parameters, from what its layers were given and the gradients of what they returned: known for the
/// layers of <see cref="KnownLayers"/>. What it takes is checked: that samples do not see each other, and that a
/// parameter acts through its layers alone.
/// </summary>
internal sealed class PerSampleGradients
{
    private const string Remedy = "Choose other parameters (ParameterSpace.Of(model, glob)), or take the stochastic trace: HutchinsonTrace of a GgnOperator.";

    private readonly Objective _objective;
    private readonly ModelLayers _layers;
    private long _checked; // rows of the largest batch looked at: one row alone shows nothing of others

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

        _layers = new ModelLayers(objective.Parameters, model);
        if (_layers.Coupling is { } coupled)
        {
            throw new CurvatureException(
                $"The batch norm '{coupled}' normalises by the batch's statistics, through which samples see each other: there are no per-sample gradients. "
                + "Call eval(), or take the stochastic trace: HutchinsonTrace of a GgnOperator.");
        }

        // A parameter that belongs to no module may be unused; where it is not, the gradients tell.
        int unknown = Enumerable.Range(0, Parameters.Count).FirstOrDefault(i => Parameters[i].requires_grad && _layers.Owners[i].Count > 0 && _layers.Obstacles[i] is not null, -1);
        if (unknown >= 0)
        {
            throw new CurvatureException($"{_layers.Obstacles[unknown]}. {Remedy}");
        }
    }

    /// <summary>All modules with their paths, the model itself first under the empty name.</summary>
    public IReadOnlyList<(string Name, nn.Module Module)> Modules => _layers.Modules;

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
        using LayerTape tape = _layers.Record();
        Tensor z, targets;
        using (enable_grad())
        {
            (z, targets) = batch.Split!.Evaluate();
        }

        tape.Stop();
        using IDisposable noGrad = no_grad();
        RefuseFolded(tape, z.shape[0]);
        (int Call, ParameterUse Use)[][] uses = _layers.UsesOf(tape, z.shape[0]);
        foreach ((_, ParameterUse use) in uses.SelectMany(u => u))
        {
            use.ExpectNorms();
        }

        Uses = [.. uses.Select(u => u.Length)];
        Tensor[] outputs = [.. tape.Calls.Select(c => c.Output)];
        if (_checked < Math.Min(z.shape[0], 2))
        {
            RefuseUnlessComplete(z, tape, uses);
            _checked = z.shape[0];
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

    private void RefuseUnlessComplete(Tensor z, LayerTape tape, (int Call, ParameterUse Use)[][] uses)
    {
        string? why = _layers.Crossings(z, tape).Select(c => c.Why).FirstOrDefault() ?? _layers.Missing(z, tape, uses).Select(m => m.Why).FirstOrDefault();
        if (why is not null)
        {
            throw new CurvatureException($"{why}. {Remedy}");
        }
    }

    private void RefuseFolded(LayerTape tape, long samples)
    {
        if (tape.Calls.Select(call => _layers.Misfit(call, samples, folded: false)).FirstOrDefault(why => why is not null) is { } misfit)
        {
            throw new CurvatureException($"{misfit}. {Remedy}");
        }
    }
}

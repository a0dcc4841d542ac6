using Curvature.Data;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>A small seeded model with data and a loss.</summary>
internal sealed class Problem(nn.Module<Tensor, Tensor> model, Tensor inputs, Tensor targets, string loss, LossOptions? options = null)
{
    public nn.Module<Tensor, Tensor> Model => model;

    public Tensor Inputs => inputs;

    public Tensor Targets => targets;

    public LossOptions LossOptions { get; } = options ?? new LossOptions();

    public ISupervisedLoss Loss { get; } = KnownLosses.Create(loss, options);

    /// <summary>Theta; by default the trainable parameters.</summary>
    public ParameterSpace Parameters { get => field ?? ParameterSpace.Of(model); init; }

    /// <summary>The same problem in single precision; the model is converted, and parameters that are none of it are copied.</summary>
    public Problem ToSinglePrecision()
    {
        string[] names = [.. Parameters.Names];
        Dictionary<string, Tensor> strangers = names.Zip(Parameters.Parameters)
            .Where(p => model.named_parameters().All(own => own.name != p.First))
            .ToDictionary(p => p.First, p => p.Second.detach().to(ScalarType.Float32).requires_grad_(p.Second.requires_grad));
        model.to(ScalarType.Float32); // makes parameters anew
        Dictionary<string, Tensor> own = model.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter);
        return new Problem(model, inputs, targets, loss, options)
        {
            Parameters = new ParameterSpace(names.Select(name => (name, strangers.GetValueOrDefault(name) ?? own[name]))),
        };
    }

    /// <summary>The data in batches of the given sizes, ragged as they come.</summary>
    public Objective Objective(params long[] sizes) => Curvature.Objectives.Objective.Supervised(model, Loss, Batches(sizes), Parameters);

    public IReadOnlyList<Batch> Batches(params long[] sizes)
    {
        List<Batch> batches = [];
        long offset = 0;
        foreach (long size in sizes.Length == 0 ? [inputs.shape[0]] : sizes)
        {
            batches.Add(new Batch(inputs.narrow(0, offset, size), targets.narrow(0, offset, size)));
            offset += size;
        }

        return offset == inputs.shape[0] ? batches : throw new ArgumentException("The sizes must cover the data.");
    }
}

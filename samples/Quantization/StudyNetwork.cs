using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Samples.Quantization;

/// <summary>A network of the study, its data, and how it is trained: by SGD with Nesterov's momentum of 0.9, after a warm-up over a twentieth of the steps along a cosine to 0.</summary>
/// <param name="Name">In results and file names.</param>
/// <param name="Title">Heading on the page.</param>
/// <param name="Text">What it is, for the page.</param>
/// <param name="BatchSize">Rows of a step.</param>
/// <param name="Epochs">Passes over the training data.</param>
/// <param name="Rate">The highest learning rate.</param>
/// <param name="Decay">Of all parameters.</param>
/// <param name="Read">Training and test data; the caller disposes them.</param>
/// <param name="Create">A network with new weights from the global generator.</param>
internal sealed record StudyNetwork(
    string Name,
    string Title,
    string Text,
    int BatchSize,
    int Epochs,
    double Rate,
    double Decay,
    Func<(Dataset Train, Dataset Test)> Read,
    Func<nn.Module<Tensor, Tensor>> Create)
{
    private readonly Lazy<IReadOnlyList<(string Name, long Weights)>> _layers = new(() =>
    {
        using nn.Module<Tensor, Tensor> model = Create();
        return [.. model.named_parameters().Where(p => p.parameter.dim() > 1).Select(p => (p.name[..p.name.LastIndexOf('.')], p.parameter.numel()))];
    });

    /// <summary>Its layers, in order.</summary>
    public IReadOnlyList<(string Name, long Weights)> Layers => _layers.Value;

    /// <summary>The recipe in a word: a checkpoint of another is not taken for this one's.</summary>
    public string Recipe => FormattableString.Invariant($"e{Epochs}-b{BatchSize}-r{Rate}-d{Decay}");
}

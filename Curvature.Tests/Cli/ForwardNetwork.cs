using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>The <see cref="LogisticNetwork"/> with its layer's forward in place of its call, which no hook sees.</summary>
public sealed class ForwardNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Linear fc = nn.Linear(3, 1);

    public ForwardNetwork() : base(nameof(ForwardNetwork)) => RegisterComponents();

    public override Tensor forward(Tensor input) => fc.forward(input);

    /// <summary>Weights, type and data as words of a command line.</summary>
    internal static string[] Files(TemporaryFolder folder) =>
        [.. LogisticNetwork.Files(folder).Select(word => word.Replace(nameof(LogisticNetwork), nameof(ForwardNetwork), StringComparison.Ordinal))];
}

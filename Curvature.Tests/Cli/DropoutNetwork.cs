using System.Runtime.InteropServices;
using Curvature.Tests.Core.Data;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>A network that draws random numbers in training mode; found by the command as a type of this assembly.</summary>
public sealed class DropoutNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Linear fc = nn.Linear(2, 2);
    private readonly Dropout dropout = nn.Dropout(0.5);

    public DropoutNetwork() : base(nameof(DropoutNetwork)) => RegisterComponents();

    public override Tensor forward(Tensor input) => fc.call(dropout.call(input));

    /// <summary>Weights, type and data as words of a command line.</summary>
    internal static string[] Files(TemporaryFolder folder) =>
    [
        folder.Write("dropout.safetensors", SampleFiles.Safetensors(
            """{"fc.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"fc.bias":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}}""",
            MemoryMarshal.AsBytes<float>([0.5f, -1, 2, 0.25f, 0.1f, -0.1f]).ToArray())),
        "--model-type", $"{typeof(DropoutNetwork).Assembly.Location}!{typeof(DropoutNetwork).FullName}",
        "--data", folder.Write("dropout.csv", "1,2,0\n3,4,1\n5,6,1\n7,8,0\n"),
    ];
}

using Curvature.Data;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>What images of 4 x 4 pixels hold at a place, which is its only parameter: reading between pixels cannot be differentiated twice.</summary>
public sealed class GridNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Parameter place = new(tensor(new float[] { 0.1f, 0.2f }, [1, 1, 1, 2]));

    public GridNetwork() : base(nameof(GridNetwork)) => RegisterComponents();

    /// <summary>Five images and what is expected of them.</summary>
    internal static (Tensor Images, Tensor Expected) Samples() =>
        (arange(80, ScalarType.Float32).mul(0.7).sin().reshape(5, 1, 4, 4), arange(5, ScalarType.Float32).reshape(5, 1));

    public override Tensor forward(Tensor input) =>
        nn.functional.grid_sample(input, place.expand(input.shape[0], 1, 1, 2)).reshape(-1, 1);

    /// <summary>Weights, type and data as words of a command line.</summary>
    internal static string[] Files(TemporaryFolder folder)
    {
        using DisposeScope scope = NewDisposeScope();
        (string weights, string data) = (folder.File("grid.safetensors"), folder.File("images.safetensors"));
        (Tensor images, Tensor expected) = Samples();
        SafetensorsFile.Write(weights, [("place", new GridNetwork().place)]);
        SafetensorsFile.Write(data, [("x", images), ("y", expected)]);
        return [weights, "--model-type", $"{typeof(GridNetwork).Assembly.Location}!{typeof(GridNetwork).FullName}", "--data", data];
    }
}

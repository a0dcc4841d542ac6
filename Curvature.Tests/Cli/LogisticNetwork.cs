using Curvature.Data;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>One logit from three inputs, with weights 1, -1 and 0.01; found by the command as a type of this assembly.</summary>
public sealed class LogisticNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Linear fc = nn.Linear(3, 1);

    public LogisticNetwork() : base(nameof(LogisticNetwork)) => RegisterComponents();

    public override Tensor forward(Tensor input) => fc.call(input);

    /// <summary>Weights, type and four samples, three of them on the right side, as words of a command line.</summary>
    internal static string[] Files(TemporaryFolder folder)
    {
        using DisposeScope scope = NewDisposeScope();
        (string weights, string data) = (folder.File("logistic.safetensors"), folder.File("data.safetensors"));
        SafetensorsFile.Write(weights, [("fc.weight", tensor(new float[,] { { 1, -1, 0.01f } })), ("fc.bias", zeros(1))]);
        SafetensorsFile.Write(data, [("x", tensor(new float[,] { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { 2, 1, 0 } })), ("y", tensor(new float[] { 1, 0, 0, 1 }))]);
        return [weights, "--model-type", $"{typeof(LogisticNetwork).Assembly.Location}!{typeof(LogisticNetwork).FullName}", "--data", data];
    }
}

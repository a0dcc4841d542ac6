using Curvature.Checkpoints;
using Curvature.Data;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

/// <summary>Small networks and data that the calibration tests share.</summary>
internal static class CalibrationNetworks
{
    /// <summary>The trained digits network, <c>fc2 tanh(fc1 x)</c>: inputs of fc1 are not negative, those of fc2 are of both signs.</summary>
    public static LoadedModel Digits() => Checkpoint.Load(Repository.File("data/digits-mlp.safetensors"), "digits-mlp", device: Here);

    public static Dataset DigitsData(int count, int seed = 0)
    {
        using Dataset all = DataFile.Read(Repository.File("data/digits.csv.gz"), new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        return all.Sample(count, seed);
    }

    /// <summary>conv, batch norm, ReLU, strided conv with padding, batch norm, ReLU, linear, in evaluation mode with statistics of its own data.</summary>
    public static Sequential Convolutional(ScalarType dtype = ScalarType.Float32)
    {
        manual_seed(3);
        Sequential model = nn.Sequential(
            ("conv1", nn.Conv2d(1, 4, 3, padding: 1, dtype: dtype)),
            ("bn1", nn.BatchNorm2d(4, dtype: dtype)),
            ("relu1", nn.ReLU()),
            ("conv2", nn.Conv2d(4, 6, 3, stride: 2, padding: 1, bias: false, dtype: dtype)),
            ("bn2", nn.BatchNorm2d(6, dtype: dtype)),
            ("relu2", nn.ReLU()),
            ("flat", nn.Flatten()),
            ("fc", nn.Linear(6 * 4 * 4, 3, dtype: dtype))).to(Here);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        for (int i = 0; i < 30; i++)
        {
            model.call(Images(32, i, dtype));
        }

        model.eval();
        return model;
    }

    public static Tensor Images(long count, int seed, ScalarType dtype = ScalarType.Float32)
    {
        using var generator = new Generator((ulong)seed);
        using Tensor noise = randn([count, 1, 8, 8], dtype, generator: generator).to(Here);
        return noise.abs();
    }

    public static Tensor[] Batches(Tensor inputs, long size)
    {
        long count = inputs.shape[0];
        return [.. Enumerable.Range(0, (int)((count + size - 1) / size)).Select(i => inputs.narrow(0, i * size, Math.Min(size, count - (i * size))))];
    }

    public static double[] Values(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        return x.detach().reshape(-1).to(ScalarType.Float64).cpu().data<double>().ToArray();
    }
}

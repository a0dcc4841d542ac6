using Curvature.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>
/// The digits network on 200 digits in a file, with its matrices in closed form: for <c>z = W2 a + b2, a = tanh(W1 x + b1)</c> a row of the Jacobian is
/// <c>dz_c = [W2_c (1 - a^2) x^T, W2_c (1 - a^2), e_c a^T, e_c]</c>, and cross-entropy has gradient <c>p - y</c> and Hessian <c>diag(p) - p p^T</c> in z.
/// </summary>
public sealed class SmallDigits : IDisposable
{
    private const long Samples = 200, Classes = 10, Hidden = 32;

    private readonly TemporaryFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public SmallDigits()
    {
        using Dataset all = DataFile.Read(Repository.File("data/digits.csv.gz"), new DataOptions { Target = "-1", Scale = 1 / 16.0 });
        Tensor x = all.Inputs.narrow(0, 0, Samples).to(ScalarType.Float64), y = all.Targets.narrow(0, 0, Samples);
        string data = _folder.File("digits.safetensors");
        SafetensorsFile.Write(data, [("x", x), ("y", y)]);
        Arguments = [CommandRun.Digits[0], "--model-type", "digits-mlp", "--data", data, "--loss", "cross-entropy", "--dtype", "float64"];

        Dictionary<string, Tensor> weights = SafetensorsFile.Read(CommandRun.Digits[0]).ToDictionary(entry => entry.Key, entry => entry.Value.to(ScalarType.Float64));
        Tensor w2 = weights["fc2.weight"];
        Tensor a = x.mm(weights["fc1.weight"].t()).add(weights["fc1.bias"]).tanh();
        Tensor p = a.mm(w2.t()).add(weights["fc2.bias"]).softmax(1);

        Tensor inner = a.pow(2).neg().add(1).unsqueeze(1).mul(w2.unsqueeze(0));                                        // [N, C, H]
        Tensor one = eye(Classes, dtype: ScalarType.Float64).unsqueeze(0).repeat(Samples, 1, 1);
        Tensor first = inner.unsqueeze(3).mul(x.unsqueeze(1).unsqueeze(1)).reshape(Samples, Classes, Hidden * 64);
        Tensor second = one.unsqueeze(3).mul(a.unsqueeze(1).unsqueeze(1)).reshape(Samples, Classes, Classes * Hidden);
        Tensor j = cat([first, inner, second, one], 2);                                                               // [N, C, P]
        Tensor weighted = p.unsqueeze(2).mul(j.sub(p.unsqueeze(2).mul(j).sum(dim: 1).unsqueeze(1)));                    // (diag(p) - p p^T) J
        Ggn = j.reshape(Samples * Classes, -1).t().mm(weighted.reshape(Samples * Classes, -1)).div(Samples);
        Tensor g = p.sub(eye(Classes, dtype: ScalarType.Float64).index_select(0, y)).unsqueeze(2).mul(j).sum(dim: 1);
        EmpiricalFisher = g.t().mm(g).div(Samples);
        GgnEigenvalues = linalg.eigvalsh(Ggn).data<double>().ToArray();
        EmpiricalFisherEigenvalues = linalg.eigvalsh(EmpiricalFisher).data<double>().ToArray();
    }

    /// <summary>Model, data and loss on a command line.</summary>
    public string[] Arguments { get; }

    /// <summary><c>[2410, 2410]</c>, float64.</summary>
    public Tensor Ggn { get; }

    public Tensor EmpiricalFisher { get; }

    /// <summary>Ascending.</summary>
    public double[] GgnEigenvalues { get; }

    public double[] EmpiricalFisherEigenvalues { get; }

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }
}

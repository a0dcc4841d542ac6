using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// The ten Hessian eigenvalues of largest magnitude of a LeNet on Fashion-MNIST, trained here for one epoch over part of the images, by
/// every solver of the catalogue at the same accuracy. Products, not seconds: a seed's count is the same on every machine.
/// </summary>
internal static class EigenpairsSection
{
    private const string Folder = "/usr/share/datasets/fashion-mnist";

    public static void Run(BenchOptions options, TextWriter output)
    {
        if (!Directory.Exists(Folder))
        {
            output.WriteLine($"skipped: Fashion-MNIST is not in {Folder} (Debian's package dataset-fashion-mnist)");
            return;
        }

        manual_seed(1);
        using Dataset whole = DataFile.Read($"{Folder}/train-images-idx3-ubyte.gz,{Folder}/train-labels-idx1-ubyte.gz", new DataOptions { InputType = ScalarType.Float32 });
        using Dataset train = whole.Sample(options.Quick ? 1280 : 20_000, seed: 1), measured = whole.Sample(options.Quick ? 256 : 1000, seed: 2);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("lenet");
        Train(model, train);
        using HessianOperator hessian = new(Objective.Supervised(model, new CrossEntropy(), measured.Batches(500)));

        output.WriteLine($"{"solver",-12} {"products",8} {"converged",9}   eigenvalues");
        foreach (string name in KnownEigensolvers.Names)
        {
            // LOBPCG works at one end; the largest magnitudes of a trained network are its largest eigenvalues.
            EigensolverOptions wanted = new() { Count = 10, Tolerance = 1e-3, MaxProducts = options.Quick ? 300 : 6000, Which = name == "lobpcg" ? Spectrum.Largest : Spectrum.Magnitude };
            using Eigenpairs pairs = KnownEigensolvers.Create(name, wanted).Solve(hessian);
            output.WriteLine($"{name,-12} {pairs.Products,8} {pairs.Converged,9}   {string.Join(" ", pairs.Values.Select(v => $"{v.Value:F2}"))}");
        }
    }

    private static void Train(nn.Module<Tensor, Tensor> model, Dataset train)
    {
        using optim.Optimizer optimizer = optim.Adam(model.parameters(), 0.002);
        foreach (Batch batch in train.Batches(64))
        {
            using DisposeScope scope = NewDisposeScope();
            optimizer.zero_grad();
            nn.functional.cross_entropy(model.call(batch.Inputs), batch.Targets).backward();
            optimizer.step();
        }

        model.eval();
    }
}

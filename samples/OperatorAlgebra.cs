using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Matrices made of matrices: sums, products, shifts, blocks, submatrices, models of low rank and of Kronecker products beside the matrix they stand for, a change of coordinates, and products kept in a file. Of the last layer of the digits
/// network; with <c>--quick</c>, on 200 of the images.
/// </summary>
internal static class OperatorAlgebra
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 200 : all.Count, seed: 0);
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        var parameters = ParameterSpace.Of(model.Module, "fc2.*");
        var objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(100), parameters);
        using HessianOperator hessian = new(objective);
        using GgnOperator ggn = new(objective);
        Tensor v = objective.Gradient(cancellation);

        #region differences
        using FiniteDifferenceHessianOperator differences = new(objective);
        Console.WriteLine($"differences of the gradient in single precision are off by {Off(differences.Apply(v), hessian.Apply(v)):E0}");
        #endregion

        #region covariance
        using GradientCovarianceOperator second = new(objective);
        Estimate moment = new HutchinsonTrace { MaxProbes = 200, Seed = 1 }.Estimate(second, cancellation: cancellation).Total;
        double mean = v.square().sum().ToDouble();
        Console.WriteLine($"mini-batches of 100: mean square of the gradient {moment.Value:E2} +- {moment.StandardError:E1}, of which {mean:E2} is the mean's and the rest noise");
        #endregion

        #region sums
        LinearOperator damped = ggn.Shift(0.01), mixed = (0.9 * ggn) + (0.1 * hessian), squared = damped * mixed;
        Console.WriteLine($"(AB)^T = BA: off by {Off(squared.Transpose().Apply(v), mixed.Apply(damped.Apply(v))):E0}");
        using ShiftedOperator shifted = new(ggn, 0.01); // the same by their names
        using ScaledOperator most = new(0.9, ggn), rest = new(0.1, hessian);
        using SumOperator sum = new(most, rest);
        using ProductOperator product = new(shifted, sum);
        using TransposedOperator transposed = new(product);
        Console.WriteLine($"by their names: off by {Off(transposed.Apply(v), squared.Transpose().Apply(v)):E0}");
        #endregion

        #region blocks
        long count = parameters.Parameters[0].numel();
        Tensor weights = arange(count), biases = arange(ggn.Columns - count).add(count);
        using SubmatrixOperator within = new(ggn, weights), between = new(ggn, weights, biases);
        using DiagonalBlocksOperator apart = DiagonalBlocksOperator.ByParameters(ggn, [["fc2.weight"], ["fc2.bias"]]);
        using BlockDiagonalOperator assembled = new([within, ggn.Submatrix(biases)]);
        Console.WriteLine($"weights [{within.Rows}, {within.Columns}], weights and biases [{between.Rows}, {between.Columns}] of norm {Norm(between):F3}");
        Console.WriteLine($"two blocks, cut out or assembled: off by {Off(assembled.Apply(v), apart.Apply(v)):E0}");
        #endregion

        #region models
        using Eigenpairs top = new LanczosEigensolver { Count = 20 }.Solve(ggn, cancellation: cancellation);
        using LowRankOperator lowRank = new(top.Vectors, tensor([.. top.Values.Select(pair => (float)pair.Value)]));
        using DiagonalEstimate entries = new HutchinsonDiagonal { MaxProbes = 64, Seed = 1 }.Estimate(ggn, cancellation: cancellation);
        using DiagonalOperator diagonal = new(entries.Values);
        foreach ((string name, LinearOperator approximation) in ((string, LinearOperator)[])[("20 eigenpairs", lowRank), ("the diagonal", diagonal)])
        {
            Console.WriteLine($"{name}: misses {Norm(ggn - approximation) / Norm(ggn):P0} of the Frobenius norm");
        }
        #endregion

        #region coordinates
        using DiagonalOperator scales = new(ggn.ToDense().diagonal().add(1e-3).pow(-0.5));
        using CongruenceOperator preconditioned = new(ggn, scales); // D^(-1/2) G D^(-1/2)
        using Eigenpairs before = new LanczosEigensolver { Count = 1 }.Solve(ggn, cancellation: cancellation), after = new LanczosEigensolver { Count = 1 }.Solve(preconditioned, cancellation: cancellation);
        Console.WriteLine($"largest eigenvalue {before.Values[0].Value:F3}; as an optimizer sees it that divides by the diagonal {after.Values[0].Value:F3}");
        #endregion

        #region kronecker
        using MatrixOperator a = new(eye(10).mul(0.5)), b = new(ones(32, 32));
        using KroneckerOperator kronecker = new(a, b); // for a weight [10, 32]
        Console.WriteLine($"A (x) B [{kronecker.Rows}, {kronecker.Columns}] of trace {kronecker.ExactTrace} = {a.ExactTrace} * {b.ExactTrace}: no entry of it is made");
        #endregion

        string folder = Directory.CreateTempSubdirectory("curvature-journal").FullName;
        #region journal
        for (int run = 1; run <= 2; run++)
        {
            using ProductJournal journal = ProductJournal.Open(folder, [new("what", "the digits' Hessian")]);
            using JournalledOperator kept = journal.Record(hessian, "hessian");
            Estimate trace = new HutchinsonTrace { MaxProbes = 20, Seed = 1 }.Estimate(kept, cancellation: cancellation).Total;
            Console.WriteLine($"run {run}: trace {trace.Value:F4}, {journal.Replayed} of its numbers from the file");
        }
        #endregion

        Directory.Delete(folder, recursive: true);
    }

    private static double Off(Tensor actual, Tensor expected) => (actual.sub(expected).norm() / expected.norm()).ToDouble();

    private static double Norm(LinearOperator a) => new FrobeniusNorm { MaxProbes = 32, Seed = 1 }.Estimate(a).Value;
}

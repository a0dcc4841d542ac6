using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Krylov;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Inverses from gradients alone, on the digits network: the static M-FAC matrix and its error, as a preconditioner of conjugate gradients, and the dynamic one
/// over the last gradients of a training run.
/// </summary>
internal static class MfacProducts
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 500 : all.Count, seed: 0);
        using (LoadedModel trained = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp"))
        {
            Static(trained, digits, cancellation);
        }

        Dynamic(digits, epochs: options.Quick ? 1 : 4);
    }

    private static void Static(LoadedModel model, Dataset digits, CancellationToken cancellation)
    {
        #region static
        var objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(4));
        using MfacInverse inverse = MfacInverse.FromBatches(objective, options: new MfacOptions { Damping = 1e-3 }, cancellation: cancellation);
        using Tensor gradient = objective.Gradient(cancellation), diagonal = inverse.Diagonal();
        MfacProduct step = inverse.Solve(gradient);
        Console.WriteLine($"{inverse.Gradients} gradients of {inverse.Columns:N0} parameters: |F^-1 g| = {step.Value.norm().ToDouble():F3}, relative error at most {step.RelativeError:E1}");
        Console.WriteLine($"diagonal of F^-1 from {diagonal.min().ToDouble():F0} to {diagonal.max().ToDouble():F0}, trace {inverse.ExactTrace:F0}");
        #endregion

        #region preconditioner
        using GgnOperator ggn = new(Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(256)));
        LinearOperator damped = ggn.Shift(1e-3);
        foreach (LinearOperator? preconditioner in (LinearOperator?[])[null, inverse])
        {
            using LinearSolution solution = new ConjugateGradient { Tolerance = 1e-4 }.Solve(damped, gradient, preconditioner, cancellation: cancellation);
            Console.WriteLine($"(GGN + 1e-3 I) x = g {(preconditioner is null ? "without" : "with   ")} M-FAC: {solution.Products} products with the GGN");
        }
        #endregion

        step.Value.Dispose();
    }

    private static void Dynamic(Dataset digits, int epochs)
    {
        manual_seed(1);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");
        var parameters = ParameterSpace.Of(model);
        var whole = Objective.Supervised(model, new CrossEntropy(), digits.Batches(256));
        using Dataset shuffled = digits.Sample(digits.Count - 1, seed: 1);

        #region dynamic
        using MfacWindow window = new(gradients: 32, parameters.Count, parameters.DType, options: new MfacWindowOptions { Damping = 1e-2, Divisor = MfacDivisor.Count });
        Console.WriteLine($"before training: loss {whole.Value():F4}");
        for (int epoch = 1; epoch <= epochs; epoch++)
        {
            foreach (Batch batch in shuffled.Batches(32))
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor gradient = Objective.Supervised(model, new CrossEntropy(), [batch]).Gradient();
                IReadOnlyList<Tensor> direction = parameters.Split(window.Step(gradient)); // into the window, and F^-1 g: two passes
                using IDisposable noGrad = no_grad();
                foreach ((Tensor parameter, Tensor part) in parameters.Parameters.Zip(direction))
                {
                    parameter.sub_(part.mul(0.02));
                }
            }

            Console.WriteLine($"after epoch {epoch}: loss {whole.Value():F4}, {window.Insertions} gradients seen, {window.Count} in the window");
        }
        #endregion
    }
}

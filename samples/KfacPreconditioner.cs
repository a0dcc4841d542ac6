using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Kronecker;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// The inverse of KFAC at work: how much of a damped Gauss-Newton step of the digits network few iterations of conjugate gradients reach with each damping rule, and a few natural-gradient steps with factors that
/// follow the mini-batches.
/// </summary>
internal static class KfacPreconditioner
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 300 : all.Count, seed: 0);
        using LoadedModel loaded = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp", ScalarType.Float64);
        nn.Module<Tensor, Tensor> model = (nn.Module<Tensor, Tensor>)loaded.Module;
        Solve(model, digits, cancellation);
        Train(model, digits, steps: options.Quick ? 8 : 40);
    }

    private static void Solve(nn.Module<Tensor, Tensor> model, Dataset digits, CancellationToken cancellation)
    {
        #region solve
        const double Damping = 1e-2;
        var objective = Objective.Supervised(model, new CrossEntropy(), digits.Batches(500));
        using GgnOperator ggn = new(objective);
        LinearOperator damped = ggn.Shift(Damping);
        using Tensor gradient = objective.Gradient(cancellation);
        using LinearSolution solution = new ConjugateGradient { Tolerance = 1e-8 }.Solve(damped, gradient, cancellation: cancellation);
        double whole = Decrease(damped, gradient, solution.X);
        using KfacOperator kfac = KfacOperator.Of(objective, model, new KfacOptions { Gradients = FactorGradients.Exact }, cancellation: cancellation);
        foreach (DampingRule? rule in new DampingRule?[] { null, DampingRule.PiSplit, DampingRule.ExactEigen, DampingRule.Unsplit })
        {
            using KfacInverse? inverse = rule is { } named ? kfac.Inverse(Damping, named) : null;
            Console.Write($"{(rule is null ? "no preconditioner" : $"KFAC, {rule}"),-18}");
            foreach (int products in new[] { 2, 4, 8, 16 })
            {
                using LinearSolution step = new ConjugateGradient { Tolerance = 1e-8, MaxProducts = products }.Solve(damped, gradient, inverse, cancellation: cancellation);
                Console.Write($"{Decrease(damped, gradient, step.X) / whole,9:P1}");
            }

            Console.WriteLine();
        }
        #endregion
    }

    /// <summary>What a step x takes from the quadratic model, <c>g . x - x^T A x / 2</c>.</summary>
    private static double Decrease(LinearOperator a, Tensor g, Tensor x)
    {
        using Tensor product = a.Apply(x), twice = g.mul(2).sub_(product);
        return x.dot(twice).ToDouble() / 2;
    }

    private static void Train(nn.Module<Tensor, Tensor> model, Dataset digits, int steps)
    {
        random.manual_seed(0);
        foreach ((string name, TorchSharp.Modules.Parameter weight) in model.named_parameters().Where(p => p.name.EndsWith("weight", StringComparison.Ordinal)))
        {
            nn.init.kaiming_uniform_(weight, Math.Sqrt(5));
        }

        using IDisposable held = NewDisposeScope();
        Batch[] batches = [.. digits.Batches(128).Select(b => new Batch(b.Inputs.to(ScalarType.Float64), b.Targets))];
        CrossEntropy loss = new();

        #region train
        using KfacFactors factors = new(model);
        for (int step = 0; step < steps; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            Batch batch = batches[step % batches.Length];
            Tensor outputs = factors.Update(() => model.call(batch.Inputs), batch.Targets, loss);
            Tensor value = loss.Value(outputs, batch.Targets);
            model.zero_grad();
            value.backward();

            using KfacOperator kfac = new(factors);
            using KfacInverse inverse = kfac.Inverse(damping: 0.03);
            IReadOnlyList<Tensor> direction = inverse.Apply([.. factors.Parameters.Parameters.Select(p => p.grad!)]);
            using IDisposable noGrad = no_grad();
            foreach ((Tensor parameter, Tensor d) in factors.Parameters.Parameters.Zip(direction))
            {
                parameter.sub_(d.mul(0.5));
            }

            if ((step + 1) % 8 == 0)
            {
                Console.WriteLine($"step {step + 1}: loss {value.ToDouble():F4}");
            }
        }
        #endregion
    }
}

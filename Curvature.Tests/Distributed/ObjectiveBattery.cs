using Curvature.Data;
using Curvature.Implicit;
using Curvature.Kronecker;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>What is made of objectives and of their matrices outside the catalogues, over any number of ranks: landscapes, the Laplace posterior, hypergradients.</summary>
internal static class ObjectiveBattery
{
    private const string Name = "tanh-mlp mse";
    private const int Seed = 3;

    public static void Measure(Dictionary<string, double[]> all, IRanks ranks, CurvatureOptions? options)
    {
        using DisposeScope scope = NewDisposeScope();
        (Problem problem, Objective objective) = RankBattery.Make(Name, ranks, empty: 0);
        using HessianOperator hessian = new(objective, options);
        Landscapes(all, objective, hessian);
        Posterior(all, objective, problem);
        Hypergradients(all, objective, problem, ranks, options);
    }

    private static void Landscapes(Dictionary<string, double[]> all, Objective objective, HessianOperator hessian)
    {
        Tensor across = LandscapeDirections.FilterNormalised(objective.Parameters, Seed), up = LandscapeDirections.FilterNormalised(objective.Parameters, Seed, index: 1);
        var curve = LandscapeCurve.Of(objective, across, LandscapeAxis.Around(steps: 5), hessian);
        (double loss, double slope, double curvature) = curve.Quadratic!.Value;
        all.Add("landscape along a line", [.. curve.Losses, loss, slope, curvature]);
        all.Add("landscape over a plane", [.. LandscapeSurface.Of(objective, across, up, LandscapeAxis.Around(steps: 3), LandscapeAxis.Around(steps: 3)).Losses.SelectMany(row => row)]);
        all.Add("landscape between networks", [.. LandscapeCurve.Between(objective, objective.Parameters.Snapshot().mul(0.5), new LandscapeAxis(0, 1, 3)).Losses]);
    }

    private static void Posterior(Dictionary<string, double[]> all, Objective objective, Problem problem)
    {
        using KfacOperator kfac = KfacOperator.Of(objective, problem.Model, new KfacOptions { Gradients = FactorGradients.Exact });
        using LaplacePosterior posterior = new(kfac, objective, 0.7), best = posterior.WithBestPrior();
        all.Add("evidence", [posterior.LogLikelihood, posterior.LogEvidence, best.LogEvidence]);
        all.Add("variances of outputs", OptimizerBattery.Numbers(posterior.OutputCovariance(((nn.Module<Tensor, Tensor>)problem.Model).call, problem.Inputs)));
    }

    private static void Hypergradients(Dictionary<string, double[]> all, Objective validation, Problem problem, IRanks ranks, CurvatureOptions? options)
    {
        Parameter penalties = new(tensor([0.2, -0.3], device: Here));
        Tensor Loss(Batch batch)
        {
            IReadOnlyList<Tensor> w = problem.Parameters.Parameters;
            Tensor squares = stack([w[0].square().sum(), w.Skip(1).Select(p => p.square().sum()).Aggregate((sum, next) => sum.add(next))]);
            return problem.Loss.Value(((nn.Module<Tensor, Tensor>)problem.Model).call(batch.Inputs), batch.Targets).add(penalties.exp().mul(squares).sum());
        }

        var training = Objective.FromClosure(problem.Parameters, [.. RankBattery.Shard(problem.Batches(2, 1, 1, 3), ranks, empty: 2)], (Func<Batch, Tensor>)Loss, batch => batch.Inputs.shape[0], ranks: ranks);
        using HessianOperator hessian = new(training, options);
        BilevelProblem bilevel = new(training, validation, new ParameterSpace([("penalties", penalties)]));
        using Hypergradient found = bilevel.Gradient(new ConjugateGradient { Tolerance = 1e-12 }, hessian, ridge: 1);
        all.Add("hypergradient", [.. OptimizerBattery.Numbers(found.Value), .. OptimizerBattery.Numbers(found.Adjoint), found.TrainingGradientNorm]);
    }
}

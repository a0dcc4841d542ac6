using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// What a network does not know: a digits network trained on few images, its weight decay fitted on the way by making the Laplace evidence largest; then its posteriors by Kronecker factors, by
/// the diagonal and over the last layer, and how sure each is of digits and of noise.
/// </summary>
internal static class LaplacePosteriors
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        manual_seed(1);
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Tensor order = randperm(digits.Count);
        int held = options.Quick ? 60 : 600;
        using Dataset train = new(digits.Inputs.index_select(0, order[..300]), digits.Targets.index_select(0, order[..300]), "training digits");
        using Dataset test = new(digits.Inputs.index_select(0, order[300..(300 + held)]), digits.Targets.index_select(0, order[300..(300 + held)]), "test digits");
        using Tensor noise = rand(options.Quick ? 20 : 200, 64);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");

        #region evidence
        Objective all = Objective.Supervised(model, new CrossEntropy(), train.Batches(300));
        KfacOptions exact = new() { Gradients = FactorGradients.Exact };
        double tau = 1;
        for (int round = 0; round < 5; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            Descend(model, train, steps: 200, weightDecay: tau / train.Count);
            using KfacOperator factors = KfacOperator.Of(all, model, exact, cancellation: cancellation);
            using LaplacePosterior start = new(factors, all, tau);
            using LaplacePosterior best = start.WithBestPrior();
            Console.WriteLine($"prior {tau:F2}: evidence {start.LogEvidence:F1}; best {best.PriorPrecision:F2}: {best.LogEvidence:F1}");
            tau = best.PriorPrecision;
        }
        #endregion

        Console.WriteLine($"{"",-12} {"evidence",9} {"test NLL",9} {"confidence: digits",19} {"noise",6}");
        using (Tensor digitsZ = model.call(test.Inputs), noiseZ = model.call(noise))
        {
            Print("the network", "", Probabilities(digitsZ, null), test.Targets, Probabilities(noiseZ, null));
        }

        #region laplace
        Objective last = Objective.Supervised(model, new CrossEntropy(), train.Batches(300), ParameterSpace.Of(model, "fc2.*"));
        using KfacOperator kfac = KfacOperator.Of(all, model, exact, cancellation: cancellation);
        using KfacOperator lastLayer = KfacOperator.Of(last, model, exact, cancellation: cancellation);
        using DiagonalEstimate exactDiagonal = new GgnDiagonal().Estimate(all, model, cancellation: cancellation);
        using DiagonalCurvatureOperator diagonal = new(all.Parameters, exactDiagonal.Values);
        #endregion
        foreach ((string name, LayerwiseOperator curvature, Objective objective) in new (string, LayerwiseOperator, Objective)[] { ("KFAC", kfac, all), ("diagonal", diagonal, all), ("last layer", lastLayer, last) })
        {
            using LaplacePosterior posterior = new(curvature, objective, tau);
            #region predict
            using Tensor onDigits = posterior.OutputCovariance(model.call, test.Inputs), onNoise = posterior.OutputCovariance(model.call, noise);
            #endregion
            using Tensor digitsZ = model.call(test.Inputs), noiseZ = model.call(noise);
            Print(name, $"{posterior.LogEvidence:F1}", Probabilities(digitsZ, onDigits), test.Targets, Probabilities(noiseZ, onNoise));
        }
    }

    private static void Descend(nn.Module<Tensor, Tensor> model, Dataset train, int steps, double weightDecay)
    {
        using optim.Optimizer adam = optim.Adam(model.parameters(), 0.01, weight_decay: weightDecay); // adds weightDecay * theta to the gradient
        for (int i = 0; i < steps; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            adam.zero_grad();
            nn.functional.cross_entropy(model.call(train.Inputs), train.Targets).backward();
            adam.step();
        }
    }

    /// <summary>
    /// The class probabilities, averaged over normal outputs: softmax of <c>z_c / sqrt(1 + pi s_c^2 / 8)</c>, which MacKay 1992 (The Evidence Framework Applied to Classification Networks)
    /// found for two classes; without a covariance the softmax of z.
    /// </summary>
    private static Tensor Probabilities(Tensor z, Tensor? covariance)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor scaled = covariance is null ? z : z.div(covariance.diagonal(0, 1, 2).mul(Math.PI / 8).add(1).sqrt());
        return scaled.softmax(1).MoveToOuterDisposeScope();
    }

    private static void Print(string name, string evidence, Tensor onDigits, Tensor targets, Tensor onNoise)
    {
        using DisposeScope scope = NewDisposeScope();
        double nll = -onDigits.gather(1, targets.unsqueeze(1)).log().mean().ToDouble();
        Console.WriteLine($"{name,-12} {evidence,9} {nll,9:F3} {Sureness(onDigits),19:P0} {Sureness(onNoise),6:P0}");
    }

    private static double Sureness(Tensor probabilities) => probabilities.max(1).values.mean().ToDouble();
}

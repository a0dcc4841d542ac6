using Curvature.Data;
using Curvature.Implicit;
using Curvature.Kronecker;
using Curvature.Krylov;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Tensors;
using Curvature.Viz.Figures;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// A weight decay for each layer of a digits network, descended along hypergradients: the held-out loss differentiated through the minimum of the training loss. Training again at decays nearby is the check,
/// and other inverses (few Neumann terms, KFAC, M-FAC) stand beside the exact solve.
/// </summary>
internal static class WeightDecayTuning
{
    private static readonly CrossEntropy Loss = new();

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float64 });
        using Dataset some = digits.Sample(options.Quick ? 120 : 600, seed: 1);
        Batch train = Rows(some, 0, some.Count / 3), heldOut = Rows(some, some.Count / 3, some.Count - (some.Count / 3));
        manual_seed(1);
        Linear first = nn.Linear(64, options.Quick ? 6 : 16, dtype: ScalarType.Float64), second = nn.Linear(options.Quick ? 6 : 16, 10, dtype: ScalarType.Float64);
        Sequential model = nn.Sequential(first, nn.Tanh(), second);

        #region problem
        Parameter logs = new(tensor([-4.0, -4.0])); // logarithms of the decays: any value makes a decay above 0
        Tensor Penalised(Batch batch)
        {
            Tensor squares = stack([Squares(first), Squares(second)]);
            return Loss.Value(model.call(batch.Inputs), batch.Targets).add(logs.exp().mul(squares).sum().mul(0.5));
        }

        Objective training = Objective.FromClosure(ParameterSpace.Of(model), [train], Penalised, batch => batch.Inputs.shape[0]);
        Objective validation = Objective.Supervised(model, Loss, [heldOut]);
        BilevelProblem problem = new(training, validation, new ParameterSpace([("log decay", logs)]));
        #endregion

        Minimum.Find(training, cancellation);
        Console.WriteLine($"{train.Inputs.shape[0]} digits, {training.Parameters.Count} parameters; decays {Decays(logs)}: held-out loss {validation.Value(cancellation):F4}");

        #region hypergradient
        using Hypergradient exact = problem.Gradient(new Minres { Tolerance = 1e-8 }, cancellation: cancellation);
        Console.WriteLine($"hypergradient {Show(exact.Value)}: residual {exact.Residual:E1} after {exact.Products} products, |training gradient| {exact.TrainingGradientNorm:E1}");
        #endregion

        // Training again a little aside, from the minimum that is there.
        using Tensor minimum = training.Parameters.Snapshot();
        double[] differences = [.. Enumerable.Range(0, 2).Select(layer => (Retrained(layer, 0.01) - Retrained(layer, -0.01)) / 0.02)];
        Console.WriteLine($"by retraining {string.Join(", ", differences.Select(d => $"{d:F5}"))}");
        if (differences.Zip(exact.Value.data<double>()).Any(pair => !(Math.Abs(pair.First - pair.Second) < 0.01 * differences.Max(Math.Abs))))
        {
            throw new CurvatureException("Hypergradient and retraining differ by more than 1 % of the larger one.");
        }

        #region inverses
        Objective plain = Objective.Supervised(model, Loss, [train]);
        using KfacOperator kfac = KfacOperator.Of(plain, model, new KfacOptions { Gradients = FactorGradients.Exact }, cancellation: cancellation);
        using KfacInverse kfacInverse = new(kfac, damping: Math.Exp(-4));
        using MfacInverse mfacInverse = MfacInverse.FromSamples(plain, model, new MfacOptions { Damping = Math.Exp(-4) }, cancellation);
        Report("20 Neumann terms", problem.Gradient(new NeumannSeries { MaxProducts = 33 }, cancellation: cancellation)); // 12 of them find the step
        Report("KFAC", problem.Gradient(kfacInverse, cancellation: cancellation));
        Report("M-FAC", problem.Gradient(mfacInverse, cancellation: cancellation));
        Report("MINRES with KFAC", problem.Gradient(new Minres { Tolerance = 1e-8 }, preconditioner: kfacInverse, cancellation: cancellation));
        #endregion

        #region descent
        Tensor? adjoint = null;
        List<(double Step, double Loss)> held = [(0, validation.Value(cancellation))];
        for (int step = 1; step <= (options.Quick ? 1 : 12); step++)
        {
            using Hypergradient found = problem.Gradient(new Minres { Tolerance = 1e-4, Start = adjoint }, cancellation: cancellation);
            adjoint = found.Adjoint.clone();
            using (no_grad())
            {
                logs.sub_(found.Value.mul(Math.Min(10, 0.5 / found.Value.abs().max().ToDouble()))); // a decay's logarithm by half a unit at most
            }

            Minimum.Find(training, cancellation);
            held.Add((step, validation.Value(cancellation)));
            Console.WriteLine($"step {step,2}: decays {Decays(logs)}, held-out loss {held[^1].Loss:F4}, {found.Products} products");
        }
        #endregion

        DocFigures.Write(options, "weight-decay-tuning", new CurvesFigure("weight-decay-tuning", "Held-out loss along hypergradients", "held-out loss", [new Curve("held-out loss", held)]));

        double Retrained(int layer, double aside)
        {
            training.Parameters.Assign(minimum);
            Shift(layer, aside);
            Minimum.Find(training, cancellation);
            double loss = validation.Value(cancellation);
            Shift(layer, -aside);
            training.Parameters.Assign(minimum);
            return loss;
        }

        void Shift(int layer, double by)
        {
            using IDisposable noGrad = no_grad();
            using Tensor entry = logs.narrow(0, layer, 1);
            entry.add_(by);
        }
    }

    private static void Report(string name, Hypergradient found)
    {
        Console.WriteLine($"{name,-17} {Show(found.Value)}: residual {found.Residual:E1}, {found.Products} products{(found.Converged ? "" : ", not converged")}");
        found.Dispose();
    }

    private static Tensor Squares(Linear layer) => layer.weight!.square().sum().add(layer.bias!.square().sum());

    private static string Show(Tensor values) => string.Join(", ", values.data<double>().ToArray().Select(v => $"{v:F5}"));

    private static string Decays(Tensor logs) => string.Join(", ", logs.data<double>().ToArray().Select(l => $"{Math.Exp(l):F4}"));

    private static Batch Rows(Dataset data, long first, long count) => new(data.Inputs.narrow(0, first, count), data.Targets.narrow(0, first, count));
}

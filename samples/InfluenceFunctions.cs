using Curvature.Data;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// What each training flower of the iris data does to the loss on held-out ones (Koh, Liang 2017, Understanding Black-box Predictions via Influence Functions): left out, the
/// minimum moves by <c>H^{-1} dl_i / N</c>, and the test loss by <c>g_test^T H^{-1} dl_i / N</c>. One linear solve gives it for all; training again without each is the check.
/// </summary>
internal static class InfluenceFunctions
{
    private const double L2 = 0.01;

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset iris = DataFile.Read("data/iris.csv", new DataOptions { InputType = ScalarType.Float64 });
        Dataset shuffled = iris.Sample(iris.Count - 1, seed: 1);
        Dataset train = Rows(shuffled, 0, 120), test = Rows(shuffled, 120, 29);
        manual_seed(1);
        using nn.Module<Tensor, Tensor> model = nn.Linear(4, 3, dtype: ScalarType.Float64);

        #region influence
        Objective objective = Over(model, train);
        Minimise(objective);
        using HessianOperator hessian = new(objective);
        using Tensor testGradient = Objective.Supervised(model, new CrossEntropy(), test.Batches(29)).Gradient(cancellation);
        using InverseOperator inverse = new(hessian, new ConjugateGradient { Tolerance = 1e-10 });
        using Tensor influence = inverse.Apply(testGradient); // H^-1 g_test, once for all training points
        double[] predicted = [.. Enumerable.Range(0, (int)train.Count).Select(i =>
        {
            using Tensor gradient = Objective.Supervised(model, new CrossEntropy(), Rows(train, i, 1).Batches(1)).Gradient(cancellation);
            return influence.dot(gradient).ToDouble() / train.Count;
        })];
        #endregion

        double before = Objective.Supervised(model, new CrossEntropy(), test.Batches(29)).Value(cancellation);
        int[] checkedPoints = [.. Enumerable.Range(0, predicted.Length).Where(i => !options.Quick || i % 5 == 0).OrderByDescending(i => Math.Abs(predicted[i]))];
        Dictionary<string, Tensor> trained = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
        double[] measured = [.. checkedPoints.Select(i =>
        {
            cancellation.ThrowIfCancellationRequested();
            model.load_state_dict(trained);
            Minimise(Over(model, Without(train, i), train.Count));
            return Objective.Supervised(model, new CrossEntropy(), test.Batches(29)).Value() - before;
        })];
        foreach ((int k, int i) in checkedPoints.Take(5).Index())
        {
            Console.WriteLine($"without flower {i,3} of class {train.Targets[i].ToInt64()}: test loss changes by {measured[k]:+0.00000;-0.00000}, predicted {predicted[i]:+0.00000;-0.00000}");
        }

        double correlation = Correlation([.. checkedPoints.Select(i => predicted[i])], measured);
        Console.WriteLine($"correlation of prediction and retraining over {measured.Length} flowers: {correlation:F4}");
        if (correlation < 0.97)
        {
            throw new CurvatureException($"The predictions correlate with retraining by {correlation:F3} only; at least 0.97 was expected.");
        }
    }

    /// <summary>The regularised training loss; with fewer flowers still divided by the number of all, as the influence's formula has it.</summary>
    private static Objective Over(nn.Module<Tensor, Tensor> model, Dataset flowers, long? of = null) =>
        Objective.Supervised(model, new CrossEntropy(), flowers.Batches(flowers.Count), l2: L2 * (of ?? flowers.Count) / flowers.Count);

    /// <summary>Newton's method, with half of a step where a whole one goes too far: the loss is strictly convex.</summary>
    private static void Minimise(Objective objective)
    {
        for (int step = 0; step < 50; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor gradient = objective.Gradient();
            if (gradient.norm().ToDouble() < 1e-9)
            {
                return;
            }

            using HessianOperator hessian = new(objective);
            using LinearSolution direction = new ConjugateGradient { Tolerance = 1e-8 }.Solve(hessian, gradient);
            double before = objective.Value();
            Move(objective, direction.X, -1);
            for (double length = 0.5; objective.Value() > before && length > 1e-6; length /= 2)
            {
                Move(objective, direction.X, length);
            }
        }
    }

    private static void Move(Objective objective, Tensor direction, double length)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        foreach ((Tensor parameter, Tensor part) in objective.Parameters.Parameters.Zip(objective.Parameters.Split(direction)))
        {
            parameter.add_(part, length);
        }
    }

    private static Dataset Rows(Dataset data, long first, long count) => new(data.Inputs.narrow(0, first, count), data.Targets.narrow(0, first, count), "iris");

    private static Dataset Without(Dataset data, int i)
    {
        using Tensor rest = tensor([.. Enumerable.Range(0, (int)data.Count).Where(j => j != i).Select(j => (long)j)]);
        return new Dataset(data.Inputs.index_select(0, rest), data.Targets.index_select(0, rest), "iris");
    }

    private static double Correlation(double[] x, double[] y)
    {
        (double mx, double my) = (x.Average(), y.Average());
        double xy = x.Zip(y, (a, b) => (a - mx) * (b - my)).Sum();
        return xy / Math.Sqrt(x.Sum(a => (a - mx) * (a - mx)) * y.Sum(b => (b - my) * (b - my)));
    }
}

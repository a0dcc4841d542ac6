using Curvature.Data;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>
/// Curvature matrices from first principles, dense: Jacobians row by row and loss Hessians by autograd, per-sample gradients by one backward pass
/// each. Nothing here uses a closed form of the library.
/// </summary>
internal static class DenseCurvature
{
    /// <summary>A matrix of the catalogue, computed without it; an error would be a name without a definition.</summary>
    public static Tensor Of(string matrix, Problem problem, int seed, params long[] sizes) => matrix switch
    {
        "hessian" or "finite-difference-hessian" => Hessian(problem, sizes),
        "ggn" => Ggn(problem, sizes),
        "fisher" => Fisher(problem, seed, sizes),
        "empirical-fisher" => EmpiricalFisher(problem, sizes),
        "gradient-covariance" => GradientCovariance(problem, sizes),
        _ => throw new ArgumentException($"Write the dense definition of '{matrix}'."),
    };

    /// <summary>The Hessian, a gradient of each entry of the gradient.</summary>
    public static Tensor Hessian(Problem problem, params long[] sizes) => Mean(problem, sizes, (batch, parameters, _) =>
    {
        Tensor gradient = Flat(problem.Loss.Value(problem.Model.forward(batch.Inputs), batch.Targets), parameters, create: true);
        return Rows(gradient, parameters);
    });

    /// <summary><c>J^T H_l J</c>.</summary>
    public static Tensor Ggn(Problem problem, params long[] sizes) => Mean(problem, sizes, (batch, parameters, _) =>
    {
        Tensor z = problem.Model.forward(batch.Inputs);
        Tensor j = Rows(z.reshape(-1), parameters);
        return j.t().mm(LossHessian(problem.Loss, z, batch.Targets)).mm(j);
    });

    /// <summary><c>g_b g_b^T</c> of each batch's gradient.</summary>
    public static Tensor GradientCovariance(Problem problem, params long[] sizes) => Mean(problem, sizes, (batch, parameters, _) =>
    {
        Tensor g = Flat(problem.Loss.Value(problem.Model.forward(batch.Inputs), batch.Targets), parameters, create: false);
        return g.outer(g);
    });

    /// <summary>The Jacobian of the outputs of all batches with loss terms, stacked.</summary>
    public static Tensor Jacobian(Problem problem, params long[] sizes)
    {
        using IDisposable grad = enable_grad();
        return cat([.. problem.Batches(sizes).Where(batch => problem.Loss.Terms(batch.Targets) != 0).Select(batch => Rows(problem.Model.forward(batch.Inputs).reshape(-1), problem.Parameters.Parameters))]);
    }

    /// <summary><c>sum_s c_s g_s g_s^T / sum_s c_s</c> over samples, or <c>sum_s c_s g_s g_s^T</c>, with one backward pass a sample.</summary>
    public static Tensor EmpiricalFisher(Problem problem, params long[] sizes)
    {
        using IDisposable grad = enable_grad();
        Tensor sum = zeros(problem.Parameters.Count, problem.Parameters.Count, ScalarType.Float64, device: Here);
        double counts = 0;
        foreach (Batch batch in problem.Batches(sizes))
        {
            Tensor z = problem.Model.forward(batch.Inputs);
            foreach ((Tensor loss, double divisor, double count) in Samples(problem, z, batch.Targets))
            {
                Tensor g = Flat(loss, problem.Parameters.Parameters, create: false).div(divisor);
                sum.add_(g.outer(g), count);
                counts += problem.Loss is CrossEntropy ? problem.Loss.Terms(batch.Targets) / Labels(batch.Targets, problem) : 1;
            }
        }

        return problem.Loss.Reduction == Reduction.Mean ? sum.div(counts) : sum;
    }

    /// <summary><c>sum_s (J_s^T g_s)(J_s^T g_s)^T</c> with the draws g of a seed, one backward pass a sample.</summary>
    public static Tensor Fisher(Problem problem, int seed, params long[] sizes)
    {
        return Mean(problem, sizes, (batch, parameters, index) =>
        {
            Tensor z = problem.Model.forward(batch.Inputs);
            using OutputCurvature curvature = ((ICurvatureLoss)problem.Loss).CurvatureAt(z, batch.Targets);
            using SampleNoise noise = SampleNoise.At(seed, 0, sizes.Take(index).Sum());
            Tensor g = curvature.SampleGradient(noise), sum = zeros(problem.Parameters.Count, problem.Parameters.Count, ScalarType.Float64, device: Here);
            bool labels = problem.Loss is CrossEntropy;
            for (long n = 0; n < z.shape[0]; n++)
            {
                Tensor row = z.select(0, n).reshape(labels ? z.shape[1] : 1, -1), drawn = g.select(0, n).reshape(row.shape);
                for (long t = 0; t < (labels ? row.shape[1] : 1); t++)
                {
                    Tensor sample = Flat(labels ? row.select(1, t).dot(drawn.select(1, t)) : row.mul(drawn).sum(), parameters, create: false);
                    sum.add_(sample.outer(sample));
                }
            }

            return sum;
        });
    }

    /// <summary>The loss Hessian in the outputs <c>[M, M]</c>, by double backward.</summary>
    public static Tensor LossHessian(ISupervisedLoss loss, Tensor outputs, Tensor targets)
    {
        using IDisposable grad = enable_grad();
        Tensor z = outputs.detach().requires_grad_();
        return Rows(Flat(loss.Value(z, targets), [z], create: true), [z]);
    }

    /// <summary><c>d vector / d parameters</c> row by row, <c>[M, P]</c>.</summary>
    public static Tensor Rows(Tensor vector, IReadOnlyList<Tensor> parameters) =>
        stack(Enumerable.Range(0, (int)vector.numel()).Select(i => Flat(vector.narrow(0, i, 1), parameters, create: false, retain: true)));

    private static long Labels(Tensor targets, Problem problem)
    {
        long? ignored = problem.LossOptions.IgnoreIndex;
        return ignored is { } index ? targets.ne(index).sum().ToInt64() : targets.numel();
    }

    /// <summary>
    /// Each sample's summed loss; what divides its gradient to that of a single sample's own loss; and how often the sample counts.
    /// </summary>
    private static IEnumerable<(Tensor Loss, double Divisor, double Count)> Samples(Problem problem, Tensor z, Tensor y)
    {
        LossOptions options = problem.LossOptions with { Reduction = Reduction.Sum };
        bool mean = problem.Loss.Reduction == Reduction.Mean;
        for (long n = 0; n < z.shape[0]; n++)
        {
            Tensor row = z.narrow(0, n, 1), target = y.narrow(0, n, 1);
            if (problem.Loss is not CrossEntropy)
            {
                ISupervisedLoss single = KnownLosses.Create(problem.Loss.Name, options);
                yield return (single.Value(row, target), mean ? row.numel() : 1, 1);
                continue;
            }

            Tensor logits = row.reshape(1, z.shape[1], -1), labels = target.reshape(1, -1);
            for (long t = 0; t < labels.shape[1]; t++)
            {
                long label = labels[0, t].ToInt64();
                if (label == options.IgnoreIndex)
                {
                    continue;
                }

                double count = 1;
                if (options.ClassWeights is { } weights)
                {
                    count = ((1 - options.LabelSmoothing) * weights[label].ToDouble()) + (options.LabelSmoothing * weights.to(ScalarType.Float64).mean().ToDouble());
                }

                yield return (new CrossEntropy(options).Value(logits.select(2, t), labels.select(1, t)), count, count);
            }
        }
    }

    private static Tensor Mean(Problem problem, long[] sizes, Func<Batch, IReadOnlyList<Tensor>, int, Tensor> matrix)
    {
        using IDisposable grad = enable_grad();
        Tensor sum = zeros(problem.Parameters.Count, problem.Parameters.Count, ScalarType.Float64, device: Here);
        double terms = 0;
        foreach ((int index, Batch batch) in problem.Batches(sizes).Index())
        {
            double weight = problem.Loss.Reduction == Reduction.Mean ? problem.Loss.Terms(batch.Targets) : 1;
            if (weight != 0)
            {
                sum.add_(matrix(batch, problem.Parameters.Parameters, index), weight);
            }

            terms += weight;
        }

        return problem.Loss.Reduction == Reduction.Mean ? sum.div(terms) : sum;
    }

    private static Tensor Flat(Tensor scalar, IReadOnlyList<Tensor> parameters, bool create, bool retain = true)
    {
        Tensor[] leaves = [.. parameters.Where(p => p.requires_grad)];
        IList<Tensor> gradients = scalar.requires_grad
            ? autograd.grad([scalar.sum()], leaves, retain_graph: retain, create_graph: create, allow_unused: true)
            : [];
        Dictionary<int, Tensor> parts = [];
        int next = 0;
        for (int i = 0; i < parameters.Count && gradients.Count > 0; i++)
        {
            if (parameters[i].requires_grad)
            {
                Tensor part = gradients[next++];
                if (part is { IsInvalid: false })
                {
                    parts[i] = part;
                }
            }
        }

        return cat([.. parameters.Select((p, i) => parts.TryGetValue(i, out Tensor? part) ? part.reshape(-1) : zeros(p.numel(), p.dtype, device: Here))]);
    }
}

using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// How far the loss rises within a small distance rho of the parameters: at worst, by ascent along the gradient (Foret et al. 2021, Sharpness-Aware Minimization, eq. 2: one step, <c>e = rho g / |g|</c>), and on average over
/// random directions. With <see cref="Adaptive"/> a coordinate may move in proportion to its own size (Kwon et al. 2021, ASAM: <c>|e / |theta|| &lt;= rho</c>), which does not change when a ReLU network's weights
/// are rescaled from layer to layer. On a quadratic the first is <c>rho |g| + rho^2 g^T H g / (2 |g|^2)</c> and the average <c>rho^2 tr(H) / (2 P)</c>.
/// </summary>
public sealed record SamSharpness
{
    /// <summary>rho, the distance: 0.05, or for the adaptive form 0.5, unless it is set.</summary>
    /// <exception cref="CurvatureException">Not positive and finite.</exception>
    public double Radius
    {
        get => field > 0 ? field : Adaptive ? 0.5 : 0.05;
        init => field = value > 0 && double.IsFinite(value) ? value : throw new CurvatureException(FormattableString.Invariant($"The radius is a positive number; got {value}."));
    }

    /// <summary>Whether distances count in multiples of each coordinate's size.</summary>
    public bool Adaptive { get; init; }

    /// <summary>
    /// Ascent steps of the worst case: 1 is SAM's; more follow the gradient along the sphere, each from the last one's end, and the highest loss seen counts. A lower bound of the true worst case.
    /// </summary>
    /// <exception cref="CurvatureException">Below 1.</exception>
    public int Steps { get; init => field = value > 0 ? value : throw new CurvatureException($"Ascent takes at least one step; got {value}."); } = 1;

    /// <summary>Seed of the random directions.</summary>
    public int Seed { get; init; }

    /// <summary><c>max_e L(theta + e) - L(theta)</c> over the distance, by ascent. A gradient and an evaluation a step. At a stationary point the gradient has no direction: 0.</summary>
    /// <param name="objective">L; its parameters are moved and put back bit for bit, whatever happens.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="NonFiniteException">The gradient or a loss is NaN or infinite: lower <see cref="Radius"/>.</exception>
    public double WorstCase(Objective objective, CancellationToken cancellation = default)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        double start = objective.Value(cancellation), highest = start;
        Tensor scale = Scale(objective.Parameters), e = zeros_like(scale);
        for (int step = 0; step < Steps; step++)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor at = e, g = Perturbation.At(objective, at, () => objective.Gradient(cancellation)).mul_(scale); // in the coordinates e / scale
            double length = Precision.Norm(g);
            if (length == 0)
            {
                break;
            }

            e = g.mul_(Radius / length).mul_(scale).MoveToOuterDisposeScope();
            highest = Math.Max(highest, Perturbation.Value(objective, e, cancellation));
        }

        return highest - start;
    }

    /// <summary><c>E L(theta + e) - L(theta)</c> for e uniform on the sphere of radius rho (in multiples of each coordinate's size with <see cref="Adaptive"/>). An evaluation a direction.</summary>
    /// <param name="objective">L; its parameters are moved and put back bit for bit, whatever happens.</param>
    /// <param name="directions">Directions drawn; each counts with its opposite, which takes the slope out: two evaluations each.</param>
    /// <param name="progress">Told after each direction.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <returns>The mean with its standard error over the directions; <see cref="Estimate.Products"/> counts evaluations.</returns>
    /// <exception cref="CurvatureException">No direction.</exception>
    /// <exception cref="NonFiniteException">A loss is NaN or infinite: lower <see cref="Radius"/>.</exception>
    public Estimate Average(Objective objective, int directions = 16, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (directions < 1)
        {
            throw new CurvatureException($"An average takes at least one direction; got {directions}.");
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        double start = objective.Value(cancellation);
        Tensor scale = Scale(objective.Parameters);
        double[] rises = new double[directions];
        for (int k = 0; k < directions; k++)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor z = Probes.Draw(ProbeKind.Gaussian, objective.Parameters.Count, k, 1, Seed, scale.dtype, scale.device).reshape(-1);
            Tensor e = z.mul_(Radius / Precision.Norm(z)).mul_(scale);
            double there = Perturbation.Value(objective, e, cancellation), opposite = Perturbation.Value(objective, e.neg(), cancellation);
            rises[k] = ((there + opposite) / 2) - start;
            progress?.Report(new ProductProgress("directions", k + 1, directions));
        }

        return Estimate.FromSamples(rises, 2 * directions);
    }

    /// <summary>How far each coordinate moves for a unit of distance, <c>[P]</c>.</summary>
    private Tensor Scale(ParameterSpace parameters) => Adaptive ? parameters.Snapshot().abs() : ones(parameters.Count, parameters.DType, parameters.Device);
}

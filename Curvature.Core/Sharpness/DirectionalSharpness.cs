using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using MathNet.Numerics.Statistics;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// What a step u does to the loss, and what its slope and the curvature along it say that it does: <c>L(theta + u) - L(theta) = g^T u + u^T H u / 2 + O(|u|^3)</c>. Optimizers differ less in the
/// slope that they take than in the curvature that they meet (Pan and Li 2023, Toward Understanding Why Adam Converges Faster Than SGD for Transformers, arXiv:2306.00204).
/// </summary>
/// <param name="Length"><c>|u|</c>.</param>
/// <param name="Slope"><c>g^T u</c>; negative downhill.</param>
/// <param name="Curvature"><c>u^T H u / |u|^2</c>, the directional sharpness.</param>
/// <param name="ActualChange"><c>L(theta + u) - L(theta)</c>.</param>
public sealed record DirectionalSharpness(double Length, double Slope, double Curvature, double ActualChange)
{
    /// <summary><c>g^T u + u^T H u / 2</c>.</summary>
    public double PredictedChange => Slope + (Curvature * Length * Length / 2);

    /// <summary>The multiple of u that the quadratic model likes best, <c>-g^T u / u^T H u</c>; infinite where the model falls for ever.</summary>
    public double BestScale => Curvature > 0 ? -Slope / (Curvature * Length * Length)
        : Slope > 0 ? double.NegativeInfinity
        : Slope < 0 || Curvature < 0 ? double.PositiveInfinity
        : 0;

    /// <summary>Measures a step. One product, one gradient and two evaluations of the objective.</summary>
    /// <param name="hessian">H of the objective, or what stands for it; stays the caller's.</param>
    /// <param name="objective">L; its parameters are moved by u and put back bit for bit, whatever happens.</param>
    /// <param name="update">u, <c>[P]</c>, e.g. <c>-eta g</c>; not zero.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">A step of length zero or not finite, or a wrong shape or dtype.</exception>
    /// <exception cref="NonFiniteException">The gradient or a loss is NaN or infinite.</exception>
    public static DirectionalSharpness Of(LinearOperator hessian, Objective objective, Tensor update, CancellationToken cancellation = default)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor u = update.detach();
        double square = Math.Pow(Precision.Norm(u), 2);
        if (!(square > 0 && double.IsFinite(square)))
        {
            throw new CurvatureException("A step of length zero, or one that is not finite, has no direction.");
        }

        double[] dots = Precision.Dots((objective.Gradient(cancellation), u), (u, hessian.Apply(u)));
        double before = objective.Value(cancellation);
        return new DirectionalSharpness(Math.Sqrt(square), dots[0], dots[1] / square, Perturbation.Value(objective, u, cancellation) - before);
    }

    /// <summary>
    /// The step with each coordinate's magnitude cut to the given quantile of all magnitudes, <c>sign(u_i) min(|u_i|, q)</c>, in the caller's scope. Where few coordinates carry most of the curvature, cutting them
    /// costs little slope.
    /// </summary>
    /// <param name="update">u, <c>[P]</c>.</param>
    /// <param name="quantile">In (0, 1): 0.9 cuts the largest tenth.</param>
    /// <exception cref="CurvatureException">A quantile outside (0, 1).</exception>
    public static Tensor Clip(Tensor update, double quantile)
    {
        if (quantile is not (> 0 and < 1))
        {
            throw new CurvatureException(FormattableString.Invariant($"A quantile lies between 0 and 1; got {quantile}."));
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        double bound = ArrayStatistics.QuantileInplace(update.detach().abs().to(ScalarType.Float64).cpu().data<double>().ToArray(), quantile);
        return update.detach().clamp(-bound, bound).MoveToOuterDisposeScope();
    }
}

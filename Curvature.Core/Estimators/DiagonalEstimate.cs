using Curvature.Tensors;
using MathNet.Numerics.Distributions;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>A matrix's diagonal with the uncertainty of each entry. Dispose it to release the vectors.</summary>
public sealed class DiagonalEstimate : IDisposable
{
    /// <param name="values"><c>[P]</c>; taken over.</param>
    /// <param name="standardErrors"><c>[P]</c>; taken over.</param>
    /// <param name="products">Products spent.</param>
    /// <param name="samples">Independent samples behind each standard error; 0 where the values are exact.</param>
    /// <param name="sumOfSquares">The sum of the squared entries, where it was estimated; of exact values it is made here.</param>
    public DiagonalEstimate(Tensor values, Tensor standardErrors, int products, int samples, Estimate? sumOfSquares = null)
    {
        (Values, StandardErrors) = (values.DetachFromDisposeScope(), standardErrors.DetachFromDisposeScope());
        (Products, Samples) = (products, samples);
        SumOfSquares = sumOfSquares ?? (samples == 0 ? Estimate.Exact(Math.Pow(Precision.Norm(values), 2), products) : null);
    }

    /// <summary>The entries <c>[P]</c>, in the operator's dtype and on its device.</summary>
    public Tensor Values { get; }

    /// <summary>One standard deviation of each entry over the randomness of the probes, <c>[P]</c>; 0 where exact.</summary>
    public Tensor StandardErrors { get; }

    /// <summary>Matrix-vector products spent.</summary>
    public int Products { get; }

    /// <summary>Independent samples behind each standard error; 0 where the values are exact.</summary>
    public int Samples { get; }

    /// <summary><c>sum_i A_ii^2</c> without the bias that squaring noisy entries has; null where the values are estimates and it was not asked for.</summary>
    public Estimate? SumOfSquares { get; }

    /// <summary>Error of the whole vector relative to it, <c>|standard errors|_2 / |values|_2</c>; 0 where both are 0.</summary>
    public double RelativeError
    {
        get
        {
            double error = Precision.Norm(StandardErrors);
            return error == 0 ? 0 : error / Precision.Norm(Values);
        }
    }

    /// <summary>One entry.</summary>
    public Estimate this[long index] =>
        new(Values[index].ToDouble(), StandardErrors[index].ToDouble(), Products, Samples);

    /// <summary>
    /// Two-sided confidence intervals <c>value -+ t SE</c> of each entry on its own, with the Student-t quantile of <c>Samples - 1</c> degrees of freedom:
    /// two tensors <c>[P]</c> in the caller's scope.
    /// </summary>
    /// <param name="level">Coverage in (0, 1).</param>
    public (Tensor Low, Tensor High) ConfidenceIntervals(double level = 0.95)
    {
        using DisposeScope scope = NewDisposeScope();
        double t = Samples == 0 ? 0 : StudentT.InvCDF(0, 1, Samples - 1, 0.5 + (level / 2));
        return (Values.sub(StandardErrors.mul(t)).MoveToOuterDisposeScope(), Values.add(StandardErrors.mul(t)).MoveToOuterDisposeScope());
    }

    /// <summary>Sums of the values over the layers' blocks, in the order of <see cref="ParameterSpace.Layers"/>: their traces, without an error of their own.</summary>
    /// <exception cref="CurvatureException">The layers are not of this space.</exception>
    public IReadOnlyList<double> LayerSums(ParameterSpace layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        if (layers.Count != Values.numel())
        {
            throw new CurvatureException($"The layers have {layers.Count} entries and the diagonal {Values.numel()}: they must be of one parameter space.");
        }

        using DisposeScope scope = NewDisposeScope();
        return [.. layers.Layers.Select(layer => layer.Indices.Sum(i =>
            Values.narrow(0, layers.Offset(i), layers.Parameters[i].numel()).sum(ScalarType.Float64).ToDouble()))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Values.Dispose();
        StandardErrors.Dispose();
    }
}

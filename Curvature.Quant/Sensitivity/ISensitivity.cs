using Curvature.Operators;
using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>A way to say what quantizing each layer to each width costs. See <see cref="KnownSensitivities"/>.</summary>
public interface ISensitivity
{
    /// <summary>
    /// What a number of the table is to be multiplied by to foretell how much the loss rises: 1 where it is that increase, 1/2 where it is <c>e' H e</c> or a stand-in for it, as HAWQ-V2's
    /// average trace times squared error; null where the numbers only rank.
    /// </summary>
    double? IncreaseFactor { get; }

    /// <summary>Measures a table with a sensitivity for each layer and width, in the network's order, with standard errors where they are estimated.</summary>
    /// <param name="problem">Network, data and widths; as it was afterwards.</param>
    /// <param name="progress">Told after each piece of work.</param>
    /// <param name="cancellation">Ends between two pieces.</param>
    /// <exception cref="CurvatureException">A network or a loss that the method does not take.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    LayerTable Measure(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default);
}

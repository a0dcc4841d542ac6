using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// A loss whose curvature in the model's outputs is known in closed form: what the generalised Gauss-Newton matrix, the Fisher matrices and
/// Kronecker factors are made of.
/// </summary>
public interface ICurvatureLoss : ISupervisedLoss
{
    /// <summary>
    /// The second derivative of <c>weight * Value(outputs, targets)</c> in the outputs, at these outputs. It takes one tensor of the outputs' size
    /// (the probabilities); nothing is squared in the number of classes. The outputs' graph is not extended.
    /// </summary>
    /// <param name="outputs">z, as for <see cref="ISupervisedLoss.Value"/>.</param>
    /// <param name="targets">y.</param>
    /// <param name="weight">A factor on the loss, not negative.</param>
    /// <returns>The caller's to dispose.</returns>
    OutputCurvature CurvatureAt(Tensor outputs, Tensor targets, double weight = 1);
}

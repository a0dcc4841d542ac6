using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>Directions in which a loss is looked at.</summary>
public static class LandscapeDirections
{
    /// <summary>
    /// A random direction whose every filter is as long as the parameters' own: <c>d_ij = d_ij |theta_ij| / |d_ij|</c> for Gaussian d, i a layer's weight and j its output channel (Li, Xu, Taylor, Studer and
    /// Goldstein 2018, Visualizing the Loss Landscape of Neural Nets, section 4, arXiv:1712.09913). A network whose layers are rescaled without changing what it computes looks the same along them, which makes slices of
    /// different networks comparable. Parameters with fewer than two dimensions (biases, normalisations) stand still, as in the authors' code.
    /// </summary>
    /// <param name="parameters">theta. The first dimension of a weight counts its filters: outputs, output channels, rows of an embedding.</param>
    /// <param name="seed">Of the draw.</param>
    /// <param name="index">Which draw: 0 and 1 make a plane. Two of them are orthogonal but for an angle of about <c>1 / sqrt(P)</c>.</param>
    /// <returns><c>[P]</c>, the caller's.</returns>
    /// <exception cref="CurvatureException">No parameter has two dimensions, or all such are zero.</exception>
    public static Tensor FilterNormalised(ParameterSpace parameters, int seed = 0, int index = 0)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor direction = Probes.Draw(ProbeKind.Gaussian, parameters.Count, index, 1, seed, parameters.DType, parameters.Device).reshape(-1);
        IReadOnlyList<Tensor> parts = parameters.Split(direction);
        for (int i = 0; i < parts.Count; i++)
        {
            if (parameters.Parameters[i].dim() < 2 || parameters.Parameters[i].numel() == 0)
            {
                parts[i].zero_();
                continue;
            }

            Tensor d = parts[i].reshape(parts[i].shape[0], -1), w = parameters.Parameters[i].detach().reshape(d.shape);
            d.mul_(Precision.RowNorms(w).div(Precision.RowNorms(d)));
        }

        return Precision.Norm(direction) > 0
            ? direction.MoveToOuterDisposeScope()
            : throw new CurvatureException("There is no filter to normalise by: no parameter that is not zero has two dimensions. Take eigenvectors, or a direction of your own.");
    }
}

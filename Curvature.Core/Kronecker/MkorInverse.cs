using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// The momentum inverses of <see cref="MkorFactors"/> as a matrix over the flat parameters, <c>diag(L_l^-1 (x) R_l^-1)</c> over the layers l, <c>[P, P]</c>: symmetric, and positive definite where
/// its recurrence is. A preconditioner for <see cref="Krylov.ConjugateGradient"/>, or a direction without the rescaling of <see cref="MkorFactors.Precondition"/>. It follows the factors as they
/// are updated. A product costs <c>d_in d_out (d_in + d_out)</c> a layer.
/// </summary>
/// <param name="factors">Stay the caller's, and must outlive this.</param>
public sealed class MkorInverse(MkorFactors factors) : LinearOperator(factors.Count, factors.Count, isSymmetric: true, factors.DType, factors.Device)
{
    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V)
    {
        Tensor result = zeros_like(V);
        for (long j = 0; j < V.shape[1]; j++)
        {
            long first = 0;
            foreach (MkorLayer layer in factors.Layers)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor product = layer.Unpack(factors.Sandwich(layer.Name, layer.Pack(V.select(1, j).narrow(0, first, layer.Count))));
                result.select(1, j).narrow(0, first, layer.Count).copy_(product.mul_(factors.ScaleOf(layer.Name)));
                first += layer.Count;
            }
        }

        return result;
    }
}

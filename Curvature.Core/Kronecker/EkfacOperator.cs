using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// EKFAC: the eigenvectors of KFAC's factors with the best eigenvalues for them, <c>blockdiag_l U_l diag(d_l) U_l^T</c> with <c>U = U_G (x) U_A</c> and
/// <c>d_ij = sum_n [(U_G^T X_n U_A)_ij]^2</c>, X_n sample n's gradient of the layer's matrix. <c>[P, P]</c>, symmetric, positive semi-definite.
/// <para>
/// d is the diagonal of the gradients' second-moment block in that basis, so the trace is exact (with <see cref="FactorGradients.Exact"/> the GGN's, for a model whose every layer has Kronecker
/// factors or a full block), and the Frobenius error is the least that a matrix with these eigenvectors can have: at most KFAC's. Layers without Kronecker factors are as in
/// <see cref="KfacOperator"/>; a convolution's groups have a basis each.
/// </para>
/// <para>
/// Cost: KFAC's, an eigendecomposition of each factor, and a second pass over the data with the same backward passes (the same draws) and, where a sample has several positions, a matrix product
/// of <c>T d_in d_out</c> a sample. George, Laurent, Bouthillier, Ballas, Vincent 2018, Fast Approximate Natural Gradient Descent in a Kronecker-factored Eigenbasis, section 3.
/// </para>
/// </summary>
public sealed class EkfacOperator : LayerwiseOperator
{
    private EkfacOperator(ParameterSpace parameters, RegistrationReport registration, List<(LayerBlock Block, IReadOnlyList<int> Indices)> blocks)
        : base(parameters, registration, blocks)
    {
    }

    /// <summary>Makes the operator by two passes over an objective's data.</summary>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>).</param>
    /// <param name="model">The model that it evaluates.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">As <see cref="KfacFactors.Of"/>, or a factor that cannot be diagonalised: the message names the layer.</exception>
    public static EkfacOperator Of(
        Objective objective, nn.Module model, KfacOptions? options = null, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        using KfacFactors factors = KfacFactors.Of(objective, model, options, progress, cancellation);
        return Of(factors, objective, progress, cancellation);
    }

    /// <summary>Makes the operator from factors that are there, by one pass over an objective's data: the eigenvectors are the factors', the eigenvalues the data's.</summary>
    /// <param name="factors">Stay the caller's.</param>
    /// <param name="objective">Of the factors' model and parameters.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">The objective is not split or has other parameters, or a factor cannot be diagonalised: the message names the layer.</exception>
    public static EkfacOperator Of(KfacFactors factors, Objective objective, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        objective.RequireSplit("EKFAC");
        if (!objective.Parameters.Names.SequenceEqual(factors.Parameters.Names))
        {
            throw new CurvatureException("The factors have other parameters than the objective: gather them from the same ParameterSpace.");
        }

        using IDisposable noGrad = no_grad();
        List<(LayerBlock Block, IReadOnlyList<int> Indices)> blocks = factors.ToBlocks();
        EigenMoments?[] moments = new EigenMoments?[blocks.Count];
        try
        {
            for (int b = 0; b < moments.Length; b++)
            {
                moments[b] = factors.Statistics[b] is KroneckerStatistics statistics ? new EigenMoments(statistics) : null;
            }

            double weight = factors.Visit(objective, "EKFAC eigenvalues", column => Array.ForEach(moments, moment => moment?.Add(column)), progress, cancellation);
            Array.ForEach(moments, moment => moment?.SumOver(objective.Ranks));
            for (int b = 0; b < moments.Length; b++)
            {
                if (moments[b] is { } moment)
                {
                    EigenBlock corrected = moment.ToBlock(weight);
                    blocks[b].Block.Dispose();
                    blocks[b] = (corrected, blocks[b].Indices);
                }
            }

            return new EkfacOperator(factors.Parameters, factors.Registration, blocks);
        }
        catch
        {
            blocks.ForEach(b => b.Block.Dispose());
            throw;
        }
        finally
        {
            foreach (EigenMoments? moment in moments)
            {
                moment?.Dispose();
            }
        }
    }
}

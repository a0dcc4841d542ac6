using Curvature.Layers;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// Second moments of a layer's per-sample gradients in the eigenvectors of its factors, <c>D_ij = sum_n [(U_G^T X_n U_A)_ij]^2</c> with <c>X_n = sum_t g_nt a_nt^T</c>: positions are summed before
/// anything is squared.
/// </summary>
internal sealed class EigenMoments : IDisposable
{
    private readonly int _weight;
    private readonly EigenBlock _basis;
    private readonly Tensor _sum;

    /// <param name="statistics">The layer.</param>
    public EigenMoments(KroneckerStatistics statistics)
    {
        using DisposeScope scope = NewDisposeScope();
        using KroneckerBlock block = (KroneckerBlock)statistics.ToBlock(1);
        _basis = block.Diagonalised();
        _weight = statistics.Indices[0];
        MatrixLayout layout = _basis.Layout;
        _sum = zeros([layout.Groups, layout.Rows, layout.Columns], _basis.DType, _basis.Device).DetachFromDisposeScope();
    }

    /// <summary>Adds one column's gradients.</summary>
    public void Add(PulledBack column)
    {
        using DisposeScope scope = NewDisposeScope();
        MatrixLayout layout = _basis.Layout;
        if (column.OutputGradients(_weight, layout.Shape) is not { } g)
        {
            return;
        }

        (Tensor? UA, Tensor? UG) = layout.Shape.IsOneHot ? (_basis.Left, _basis.Right) : (_basis.Right, _basis.Left);
        LayerInputs inputs = KroneckerStatistics.Inputs(column, _weight, layout)!.Rotated(UA);
        _sum.add_(inputs.SquaredGradients(DenseInputs.Rotate(UG, g)));
    }

    /// <summary>Adds up the ranks' moments; collective.</summary>
    public void SumOver(IRanks ranks) => ranks.Sum(_sum);

    /// <summary>The block with these eigenvectors and the moments divided by a weight.</summary>
    public EigenBlock ToBlock(double weight)
    {
        using DisposeScope scope = NewDisposeScope();
        Factorisation.RequireFinite(_sum, _basis.Name);
        return _basis.With(_sum.div(weight));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _basis.Dispose();
        _sum.Dispose();
    }
}

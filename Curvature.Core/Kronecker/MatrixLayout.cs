using Curvature.Layers;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// How a layer's parameters, weight and then bias end to end, form matrices <c>X [K, rows, columns]</c>, one a group; a bias is their last column.
/// </summary>
/// <param name="Shape">The weight.</param>
/// <param name="HasBias">Whether a bias is part of it.</param>
internal sealed record MatrixLayout(MatrixShape Shape, bool HasBias)
{
    /// <summary>K.</summary>
    public long Groups => Shape.Groups;

    /// <summary>Rows of X.</summary>
    public long Rows => Shape.Rows;

    /// <summary>Columns of X.</summary>
    public long Columns => Shape.Columns + (HasBias ? 1 : 0);

    /// <summary>Entries of all matrices.</summary>
    public long Count => Groups * Rows * Columns;

    private long Weights => Groups * Rows * Shape.Columns;

    /// <summary>k vectors <c>[Count, k]</c> as matrices <c>[K, rows, columns, k]</c>.</summary>
    public Tensor Pack(Tensor V)
    {
        long k = V.shape[1];
        Tensor weights = V.narrow(0, 0, Weights).reshape(Groups, Rows, Shape.Columns, k);
        return HasBias ? cat([weights, V.narrow(0, Weights, Groups * Rows).reshape(Groups, Rows, 1, k)], 2) : weights;
    }

    /// <summary>The inverse of <see cref="Pack(Tensor)"/>.</summary>
    public Tensor Unpack(Tensor X)
    {
        long k = X.shape[3];
        return HasBias
            ? cat([X.narrow(2, 0, Shape.Columns).reshape(Weights, k), X.narrow(2, Shape.Columns, 1).reshape(Groups * Rows, k)])
            : X.reshape(Count, k);
    }

    /// <summary>The parameters' own tensors as matrices <c>[K, rows, columns, 1]</c>, one copy at most.</summary>
    /// <param name="parts">The weight, and the bias where that is part of the matrix.</param>
    public Tensor Pack(IReadOnlyList<Tensor> parts)
    {
        Tensor weights = parts[0].reshape(Groups, Rows, Shape.Columns, 1);
        return HasBias ? cat([weights, parts[1].reshape(Groups, Rows, 1, 1)], 2) : weights;
    }

    /// <summary>The inverse of that: views of the matrices, <c>[K, rows, inputs, 1]</c> and for the bias <c>[K, rows, 1, 1]</c>.</summary>
    public IReadOnlyList<Tensor> Parts(Tensor X) => HasBias ? [X.narrow(2, 0, Shape.Columns), X.narrow(2, Shape.Columns, 1)] : [X];

    /// <summary><c>L X R</c> for symmetric L and R that multiply from the left: <c>[K, rows, columns, k]</c>.</summary>
    public Tensor Sandwich(Func<Tensor, Tensor> left, Func<Tensor, Tensor> right, Tensor X)
    {
        long k = X.shape[3];
        if (k == 1)
        {
            // L (R X^T)^T: products take transposed views as they are, and what the last one writes lies in the order of X.
            return left(right(X.squeeze(3).transpose(1, 2)).transpose(1, 2)).unsqueeze(3);
        }

        Tensor LX = left(X.reshape(Groups, Rows, Columns * k)).reshape(Groups, Rows, Columns, k);
        return right(LX.permute(0, 2, 1, 3).reshape(Groups, Columns, Rows * k)).reshape(Groups, Columns, Rows, k).permute(0, 2, 1, 3);
    }
}

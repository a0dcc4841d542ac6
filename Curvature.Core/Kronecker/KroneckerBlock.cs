using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// <c>L (x) R</c> for each group: <c>X -> L X R</c> on the layer's matrices. For a linear layer or convolution L is the outputs' factor G and R the inputs' A, for an embedding L is A and R is G.
/// </summary>
/// <param name="name">The layer.</param>
/// <param name="layout">Its matrices.</param>
/// <param name="left">L; becomes this object's.</param>
/// <param name="right">R; becomes this object's.</param>
internal sealed class KroneckerBlock(string name, MatrixLayout layout, KroneckerFactor left, KroneckerFactor right) : LayerBlock(name, layout.Count, left.Values)
{
    /// <summary>L's entries.</summary>
    public Tensor Left => left.Values;

    /// <summary>R's entries.</summary>
    public Tensor Right => right.Values;

    public override IReadOnlyList<(string Key, Tensor Value)> Parts => [("left", left.Values), ("right", right.Values)];

    public override double? ExactTrace
    {
        get
        {
            using DisposeScope scope = NewDisposeScope();
            return Total(left.Traces().mul(right.Traces()));
        }
    }

    public override double SquaredNorm
    {
        get
        {
            using DisposeScope scope = NewDisposeScope();
            return Total(left.SquaredNorms().mul(right.SquaredNorms()));
        }
    }

    public override double LogDeterminant(double lambda)
    {
        using DisposeScope scope = NewDisposeScope();
        return LogSum(Outer(left.Eigenvalues(Name), right.Eigenvalues(Name)), lambda);
    }

    /// <summary>The eigenvectors of the product, with the products of the eigenvalues as eigenvalues.</summary>
    public EigenBlock Diagonalised()
    {
        using DisposeScope scope = NewDisposeScope();
        ((Tensor? UL, Tensor l), (Tensor? UR, Tensor r)) = (left.Eigen(Name), right.Eigen(Name));
        return new EigenBlock(Name, layout, UL, UR, Outer(l, r));
    }

    public override LayerBlock Inverse(double lambda, DampingRule rule)
    {
        using DisposeScope scope = NewDisposeScope();
        if (rule == DampingRule.ExactEigen)
        {
            using EigenBlock eigen = Diagonalised();
            return eigen.Inverse(lambda, rule);
        }

        (Tensor l, Tensor r) = Shifts(lambda, rule);
        return new KroneckerBlock(Name, layout, left.Inverse(l, Name), right.Inverse(r, Name));
    }

    /// <summary>What the factors' diagonals are raised by, L's and R's, <c>[K]</c> each, in the caller's scope.</summary>
    public (Tensor Left, Tensor Right) Shifts(double lambda, DampingRule rule)
    {
        using DisposeScope scope = NewDisposeScope();
        if (rule == DampingRule.Unsplit)
        {
            Tensor shift = full(layout.Groups, lambda, DType, Device).MoveToOuterDisposeScope();
            return (shift, shift);
        }

        // pi^2 = (tr R / dim R) / (tr L / dim L), 1 where a factor is zero
        Tensor squared = right.Traces().div(right.Size).div(left.Traces().div(left.Size));
        Tensor pi = where(squared.gt(0).mul(squared.isfinite()), squared, ones_like(squared)).sqrt();
        return (pi.reciprocal().mul(Math.Sqrt(lambda)).MoveToOuterDisposeScope(), pi.mul(Math.Sqrt(lambda)).MoveToOuterDisposeScope());
    }

    /// <summary>The factors with these matrices in their places.</summary>
    public KroneckerBlock With(Tensor newLeft, Tensor newRight) => new(Name, layout, new KroneckerFactor(newLeft, layout.Rows), new KroneckerFactor(newRight, layout.Columns));

    public override IReadOnlyList<Tensor> Times(IReadOnlyList<Tensor> parts) => layout.Parts(layout.Sandwich(left.Multiply, right.Multiply, layout.Pack(parts)));

    protected override Tensor Multiply(Tensor V) => layout.Unpack(layout.Sandwich(left.Multiply, right.Multiply, layout.Pack(V)));

    protected override void Dispose(bool disposing)
    {
        left.Dispose();
        right.Dispose();
        base.Dispose(disposing);
    }

    private static Tensor Outer(Tensor l, Tensor r) => l.unsqueeze(2).mul(r.unsqueeze(1));
}

using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>One layer's diagonal block of known structure: symmetric and positive semi-definite.</summary>
/// <param name="name">The layer.</param>
/// <param name="count">Entries of its parameters.</param>
/// <param name="like">A tensor of the block's dtype and device.</param>
internal abstract class LayerBlock(string name, long count, Tensor like) : LinearOperator(count, count, isSymmetric: true, like.dtype, like.device)
{
    /// <summary>The layer.</summary>
    public string Name => name;

    /// <summary><c>|B|_F^2</c>.</summary>
    public abstract double SquaredNorm { get; }

    /// <summary><c>log det(B + lambda I)</c>, the block's damping being exact whatever an inverse's.</summary>
    public abstract double LogDeterminant(double lambda);

    /// <summary><c>(B + lambda I)^{-1}</c>, as the rule has it where the block is a product.</summary>
    public abstract LayerBlock Inverse(double lambda, DampingRule rule);

    /// <summary>The tensors that it is made of, by names for a state; they stay the block's.</summary>
    public abstract IReadOnlyList<(string Key, Tensor Value)> Parts { get; }

    /// <summary><c>B v</c> for a vector <c>[n]</c> in the caller's scope, unchecked.</summary>
    public Tensor Times(Tensor v)
    {
        using DisposeScope scope = NewDisposeScope();
        return Multiply(v.unsqueeze(1)).squeeze(1).MoveToOuterDisposeScope();
    }

    /// <summary><c>B v</c> for a vector in the parts that the block's parameters are: its parts, in shapes that reshape to theirs, in the caller's scope. Unchecked.</summary>
    public virtual IReadOnlyList<Tensor> Times(IReadOnlyList<Tensor> parts)
    {
        Tensor product = Times(ParameterSpace.Join([.. parts.Select(part => part.reshape(-1))]));
        List<Tensor> pieces = [];
        long first = 0;
        foreach (Tensor part in parts)
        {
            pieces.Add(product.narrow(0, first, part.numel()));
            first += part.numel();
        }

        return pieces;
    }

    /// <summary>A sum over a tensor in float64, on the host.</summary>
    protected static double Total(Tensor values) => values.sum(ScalarType.Float64).ToDouble();

    /// <summary>The sum of a tensor's squares in float64, on the host: the squares of small or large float32 are none.</summary>
    protected static double TotalOfSquares(Tensor values)
    {
        using DisposeScope scope = NewDisposeScope();
        return Total(values.to(ScalarType.Float64).square());
    }

    /// <summary><c>sum log(values + lambda)</c> in float64.</summary>
    protected static double LogSum(Tensor values, double lambda)
    {
        using DisposeScope scope = NewDisposeScope();
        return Total(values.to(ScalarType.Float64).add(lambda).log());
    }
}

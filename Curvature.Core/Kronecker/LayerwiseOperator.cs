using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// A matrix over a model's parameters made of one block of known structure a layer, all between layers zero: <c>[P, P]</c>, symmetric and positive semi-definite, with products, trace,
/// norm and log-determinant of its own. A snapshot: it holds copies of what it was made from and follows neither parameters nor factors. Dispose it to release them.
/// <para>A product costs two matrix products a layer of the layer's size, <c>d_in d_out (d_in + d_out)</c>, and no pass over the data.</para>
/// </summary>
public abstract class LayerwiseOperator : LinearOperator
{
    private readonly IReadOnlyList<(LayerBlock Block, IReadOnlyList<int> Indices)> _blocks;

    /// <param name="parameters">theta.</param>
    /// <param name="registration">What stands for each parameter.</param>
    /// <param name="blocks">Blocks that cover every parameter once; they become this object's.</param>
    private protected LayerwiseOperator(ParameterSpace parameters, RegistrationReport registration, IReadOnlyList<(LayerBlock Block, IReadOnlyList<int> Indices)> blocks)
        : base(parameters.Count, parameters.Count, isSymmetric: true, parameters.DType, parameters.Device) =>
        (Parameters, Registration, _blocks) = (parameters, registration, blocks);

    /// <summary>theta, the rows and columns of the matrix.</summary>
    public override ParameterSpace Parameters { get; }

    /// <summary>What stands for each parameter, and why.</summary>
    public RegistrationReport Registration { get; }

    /// <summary>Names of the blocks, in order: layers, or parameters joined by + where a layer has several.</summary>
    public IReadOnlyList<string> Layers => [.. _blocks.Select(b => b.Block.Name)];

    /// <summary><c>(B + lambda I)^{-1}</c>; the caller's to dispose.</summary>
    /// <param name="damping">lambda, positive.</param>
    /// <param name="rule">What the damped inverse of a product of factors is computed as.</param>
    /// <exception cref="CurvatureException">As <see cref="KfacInverse"/>.</exception>
    public KfacInverse Inverse(double damping, DampingRule rule = DampingRule.PiSplit) => new(this, damping, rule);

    /// <inheritdoc/>
    public override double? ExactTrace => _blocks.Sum(b => b.Block.ExactTrace);

    /// <summary><c>|B|_F</c>, from the structure.</summary>
    public double FrobeniusNorm => Math.Sqrt(_blocks.Sum(b => b.Block.SquaredNorm));

    /// <summary>The blocks with the positions of their parameters.</summary>
    internal IReadOnlyList<(LayerBlock Block, IReadOnlyList<int> Indices)> Blocks => _blocks;

    /// <summary>A layer's block alone, over its parameters end to end (weight, then bias); this operator's to dispose.</summary>
    /// <exception cref="CurvatureException">No block of that name.</exception>
    public LinearOperator Layer(string name) => Named(name);

    /// <summary>A layer's trace.</summary>
    /// <exception cref="CurvatureException">No block of that name.</exception>
    public double LayerTrace(string name) => Named(name).ExactTrace!.Value;

    /// <summary><c>log det(B + lambda I)</c> in nats, by the eigenvalues of the layers' factors, which are found once for all dampings.</summary>
    /// <exception cref="CurvatureException">A damping that is not positive.</exception>
    public double LogDeterminant(double damping) => _blocks.Sum(b => b.Block.LogDeterminant(KfacInverse.Positive(damping)));

    /// <summary><c>B v</c> with the vector given and returned as one tensor per parameter.</summary>
    /// <exception cref="CurvatureException">Wrong number of parts or shapes.</exception>
    public IReadOnlyList<Tensor> Apply(IReadOnlyList<Tensor> v)
    {
        using DisposeScope scope = NewDisposeScope();
        return [.. Parameters.Split(Apply(Parameters.Flatten(v))).Select(part => part.MoveToOuterDisposeScope())];
    }

    /// <inheritdoc/>
    protected sealed override Tensor Multiply(Tensor V)
    {
        Tensor result = empty([Rows, V.shape[1]], DType, Device);
        foreach ((LayerBlock block, IReadOnlyList<int> indices) in _blocks)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor product = block.Apply(cat([.. indices.Select(i => Slot(V, i))]));
            long first = 0;
            foreach (int i in indices)
            {
                Tensor slot = Slot(result, i);
                slot.copy_(product.narrow(0, first, slot.shape[0]));
                first += slot.shape[0];
            }
        }

        return result;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        foreach ((LayerBlock block, _) in _blocks)
        {
            block.Dispose();
        }

        base.Dispose(disposing);
    }

    private Tensor Slot(Tensor V, int i) => V.narrow(0, Parameters.Offset(i), Parameters.Parameters[i].numel());

    private LayerBlock Named(string name) => _blocks.FirstOrDefault(b => b.Block.Name == name).Block
        ?? throw new CurvatureException($"There is no layer '{name}'; there are {string.Join(", ", Layers)}.");
}

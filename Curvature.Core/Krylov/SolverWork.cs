using Curvature.Operators;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>The products of one solve: made, counted, limited and reported.</summary>
/// <param name="a">The matrix.</param>
/// <param name="preconditioner">Null for the identity.</param>
/// <param name="limit">Products to spend, those that measure the result included.</param>
/// <param name="perIteration">Products of one iteration, which is also what measuring the result takes.</param>
/// <param name="progress">Told after each iteration.</param>
/// <param name="cancellation">Looked at before each product.</param>
internal sealed class SolverWork(
    LinearOperator a, LinearOperator? preconditioner, int limit, int perIteration, IProgress<ProductProgress>? progress, CancellationToken cancellation)
{
    /// <summary>b of <c>A x = b</c>, of length 1.</summary>
    public required Tensor RightHandSide { get; init; }

    /// <summary>Products spent.</summary>
    public int Products { get; private set; }

    /// <summary>Iterations made.</summary>
    public int Iterations { get; private set; }

    /// <summary>Whether the limit allows for one more iteration and the measurement after it.</summary>
    public bool CanIterate => Products + (2 * perIteration) <= limit;

    /// <summary>The relative rounding of one operation.</summary>
    public double Epsilon { get; } = Precision.Epsilon(a.DType);

    /// <summary>The matrix' dtype, for messages.</summary>
    public ScalarType DType => a.DType;

    /// <summary>Length of the solution.</summary>
    public long Columns => a.Columns;

    /// <summary>Where the vectors lie.</summary>
    public Device Device => a.Device;

    /// <summary>Whether there is a preconditioner.</summary>
    public bool IsPreconditioned => preconditioner is not null;

    /// <summary>An estimate of the (preconditioned) matrix' norm, for solvers that make one; 0 before.</summary>
    public double NormEstimate { get; set; }

    /// <summary><c>A v</c>.</summary>
    public Tensor Apply(Tensor v)
    {
        Count();
        return a.Apply(v);
    }

    /// <summary><c>A^T u</c>.</summary>
    public Tensor ApplyTranspose(Tensor u)
    {
        Count();
        return a.ApplyTranspose(u);
    }

    /// <summary><c>P r</c>; r itself without a preconditioner.</summary>
    public Tensor Precondition(Tensor r) => preconditioner?.Apply(r) ?? r;

    /// <summary><c>P^T r</c>; r itself without a preconditioner.</summary>
    public Tensor PreconditionTranspose(Tensor r) => preconditioner?.ApplyTranspose(r) ?? r;

    /// <summary>One iteration has been made.</summary>
    public void CountIteration()
    {
        Iterations++;
        progress?.Report(new ProductProgress("linear system", Products, limit));
    }

    /// <summary>The number itself where it is finite.</summary>
    /// <exception cref="NonFiniteException">It is not: a product went wrong.</exception>
    public double Finite(double value) => double.IsFinite(value)
        ? value
        : throw new NonFiniteException($"A product is not finite at iteration {Iterations}: the matrix holds NaN or infinity, or its entries overflow {DType}.");

    private void Count()
    {
        cancellation.ThrowIfCancellationRequested();
        Products++;
    }
}

using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>Approximate eigenvalues with their vectors. Dispose it to release the vectors.</summary>
public sealed class Eigenpairs : IDisposable
{
    /// <param name="values">In the order asked for.</param>
    /// <param name="vectors">Unit columns <c>[P, k]</c>; taken over.</param>
    /// <param name="products">Products spent.</param>
    /// <param name="isComplete">Whether a fresh start confirmed that none is missing.</param>
    public Eigenpairs(IReadOnlyList<Eigenvalue> values, Tensor vectors, int products, bool isComplete) =>
        (Values, Vectors, Products, IsComplete) = (values, vectors.DetachFromDisposeScope(), products, isComplete);

    /// <summary>Eigenvalues with residuals, counted with multiplicity, largest magnitude first.</summary>
    public IReadOnlyList<Eigenvalue> Values { get; }

    /// <summary>Unit eigenvectors, column j belonging to <c>Values[j]</c>: <c>[P, k]</c>.</summary>
    public Tensor Vectors { get; }

    /// <summary>Matrix-vector products spent.</summary>
    public int Products { get; }

    /// <summary>
    /// Whether a fresh start, orthogonal to these vectors, found no further eigenvalue that belongs among them: copies of a multiple eigenvalue
    /// are then all counted. False where the products ran out first.
    /// </summary>
    public bool IsComplete { get; }

    /// <summary>
    /// Residuals at or below this are made of rounding: no number of products lowers them, only a wider dtype. <c>68 eps |lambda|_max</c>; 0 where the
    /// solver does not know.
    /// </summary>
    public double Rounding { get; init; }

    /// <summary>Whether all of them reached the tolerance.</summary>
    public bool Converged => Values.All(v => v.Converged);

    /// <inheritdoc/>
    public void Dispose() => Vectors.Dispose();
}

namespace Curvature.Kronecker;

/// <summary>Which gradients g of the layers' outputs make the factor G.</summary>
public enum FactorGradients
{
    /// <summary>
    /// Of the loss at targets drawn from the model's own predictive distribution: the Fisher matrix, unbiased for the GGN. A backward pass a draw. The default.
    /// </summary>
    MonteCarlo,

    /// <summary>
    /// The columns of a square root of the loss's Hessian in the outputs (type 2): no sampling error. A backward pass a class (or output entry), times the positions that have
    /// a class of their own.
    /// </summary>
    Exact,

    /// <summary>Of the loss at the observed targets: the empirical Fisher matrix, a curvature only near a fit. One backward pass, which training makes anyway.</summary>
    Empirical,

    /// <summary>
    /// None: G is the identity (FOOF, gradient descent on neurons: Benzing 2022), times the number of samples for sums. A backward pass of one draw tells which positions count, and
    /// serves the blocks that have no Kronecker factors.
    /// </summary>
    Identity,
}

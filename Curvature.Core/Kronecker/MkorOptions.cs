namespace Curvature.Kronecker;

/// <summary>How momentum inverses follow their vectors.</summary>
public sealed record MkorOptions
{
    /// <value>The recurrence. Default <see cref="MkorMode.Exact"/>.</value>
    public MkorMode Mode { get; init; } = MkorMode.Exact;

    /// <value>gamma, the weight of the past at each update, in (0, 1). Default 0.95, as in the package. <see cref="MkorMode.Package"/> has 0.95 built in.</value>
    public double Decay { get; init; } = 0.95;

    /// <value>
    /// delta of <see cref="MkorMode.Exact"/>: no direction counts in L for less than delta times the mean eigenvalue of the moving average, so that <c>cond(B) &lt;= d / delta</c>. In [0, 1); 0 leaves
    /// unexcited directions to grow as <c>gamma^-t</c>. Default 0.1.
    /// </value>
    public double Stabiliser { get; init; } = 0.1;

    /// <value>
    /// Whether inverses are kept in half precision: 2 bytes an entry, and each is lifted by the rounding's own bound, some <c>0.0005 |B|_F</c>, which keeps it positive definite. Default
    /// false: the gradients' dtype. Products are made in float32 all the same.
    /// </value>
    public bool HalfPrecision { get; init; }

    /// <value>Whether a layer's direction gets the length of its gradient. Default true: the size of a step is then the learning rate's affair alone.</value>
    public bool Rescale { get; init; } = true;
}

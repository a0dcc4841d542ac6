using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>What an <see cref="MfacWindow"/> is made with.</summary>
public sealed record MfacWindowOptions
{
    /// <value>lambda of <c>lambda I</c>: finite and above 0 (default 1e-5).</value>
    public double Damping { get; init; } = 1e-5;

    /// <value>The divisor while the window fills (default the capacity m, as in the paper's code).</value>
    public MfacDivisor Divisor { get; init; } = MfacDivisor.Capacity;

    /// <value>
    /// The type that gradients are stored in: null (the default) for that of the vectors, or <c>BFloat16</c>, which halves the memory and rounds every
    /// gradient to 8 bits. The Gram matrix is that of the stored gradients, in float64, either way.
    /// </value>
    public ScalarType? Storage { get; init; }

    /// <value>
    /// A boolean vector <c>[d]</c>, true where a parameter takes part; null (the default): all do. The others, weights that were pruned, take no room in the
    /// window, and rows and columns of F^{-1} are zero there: a step leaves them where they are. Read once.
    /// </value>
    public Tensor? Mask { get; init; }

    /// <summary>For training: damping 1e-2, and F the mean of the gradients that are there: <c>F^{-1} g</c> is from the first on at most a hundred times as long as g.</summary>
    public static MfacWindowOptions Training => new() { Damping = 1e-2, Divisor = MfacDivisor.Count };
}

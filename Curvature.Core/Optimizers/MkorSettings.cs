using Curvature.Kronecker;

namespace Curvature.Optimizers;

/// <summary>How <see cref="MkorOptimizer"/> keeps its inverses, and what it does with the directions.</summary>
public sealed record MkorSettings
{
    /// <value>Recurrence, decay, stabiliser, storage, rescaling to the gradient's length.</value>
    public MkorOptions Factors { get; init; } = new();

    /// <value>Steps from one update of the inverses to the next. Default 10, as in the package.</value>
    public int UpdateInterval { get; init; } = 10;

    /// <value>Layers with more inputs or outputs than this are stepped along their gradient: the package leaves out those of a vocabulary. Default 8192.</value>
    public long LargestSide { get; init; } = 8192;

    /// <value>Whether directions go through Adam instead of momentum. Default false.</value>
    public bool Adam { get; init; }

    /// <value>MKOR-H: when to fall back to the gradient. Null: never.</value>
    public MkorHybrid? Hybrid { get; init; }

    /// <summary>
    /// Mohammad-Mozaffari/mkor as it runs: its recurrence (which has no use for the decay), an update every 10 steps, directions with the length of the gradient. Departures: its vectors are clipped to entries
    /// below 100, and its rescaling adds the norms of weight and bias where this takes that of the matrix.
    /// </summary>
    public static MkorSettings Package => new() { Factors = new MkorOptions { Mode = MkorMode.Package } };

    /// <summary>The recurrence as the paper prints it: for comparison, see <see cref="MkorMode.Printed"/>.</summary>
    public static MkorSettings Printed => new() { Factors = new MkorOptions { Mode = MkorMode.Printed } };

    /// <summary>Refuses settings out of range; those of the factors are theirs to refuse.</summary>
    internal MkorSettings Checked()
    {
        if (UpdateInterval < 1 || LargestSide < 1)
        {
            throw new CurvatureException($"An update interval counts steps, from 1, and a largest side entries, from 1; got {UpdateInterval} and {LargestSide}.");
        }

        Hybrid?.Check();
        return this;
    }
}

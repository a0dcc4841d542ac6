using Curvature.Operators;

namespace Curvature.MatrixFree;

/// <summary>The catalogue of inverses made from gradients alone, for the documentation's table. A new one is one file and one line here.</summary>
public static class KnownInverses
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<KnownOperator> All { get; } =
    [
        new(null, typeof(MfacInverse), "`(λI + (1/m) Σ g gᵀ)⁻¹`", "Frantar, Kurtic, Alistarh 2021", "two passes over m gradients", "m gradients"),
        new(null, typeof(MfacWindow), "the same over the last m gradients", "Frantar, Kurtic, Alistarh 2021", "two passes over m gradients", "gradients as they come"),
        new(null, typeof(ShardedMfacInverse), "`(λI + (1/m) Σ g gᵀ)⁻¹`, a rank holding a share of the parameters", "Frantar, Kurtic, Alistarh 2021", "two passes over a rank's share, sums of m and of P numbers", "batches on ranks"),
    ];
}

namespace Curvature.Sharpness;

/// <summary>What of the domains' head Hessians <see cref="HessianAlignment"/> pulls together.</summary>
public enum AlignmentKind
{
    /// <summary>Products with the domain's own gradient, <c>H_e g_e</c>: two derivatives a domain and no randomness (HGP).</summary>
    GradientProduct,

    /// <summary>Diagonals, estimated by Rademacher probes: <c>mean_k z_k * (H_e z_k)</c> (Hutchinson).</summary>
    Diagonal,
}

namespace Curvature.Samples.Study;

/// <summary>What an optimizer scales its step by.</summary>
internal enum Family
{
    /// <summary>Gradients alone.</summary>
    FirstOrder,

    /// <summary>An estimated diagonal of the curvature.</summary>
    Diagonal,

    /// <summary>Kronecker factors.</summary>
    Kronecker,

    /// <summary>Second moments in the eigenvectors of Kronecker factors.</summary>
    Eigenbasis,

    /// <summary>Momentum inverses that rank-1 updates keep.</summary>
    RankOne,

    /// <summary>A window of gradients.</summary>
    Window,

    /// <summary>Products with the Gauss-Newton matrix.</summary>
    HessianFree,
}

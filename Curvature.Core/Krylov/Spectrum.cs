namespace Curvature.Krylov;

/// <summary>Which eigenvalues are wanted.</summary>
public enum Spectrum
{
    /// <summary>The algebraically largest.</summary>
    Largest,

    /// <summary>The algebraically smallest: the most negative curvature.</summary>
    Smallest,

    /// <summary>The largest and the smallest, the asked number at each end.</summary>
    Both,

    /// <summary>The largest in absolute value.</summary>
    Magnitude,
}

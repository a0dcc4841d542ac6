namespace Curvature.Samples;

/// <summary>How weights, multipliers and the learning rate go with a network's width n.</summary>
internal enum Parametrisation
{
    /// <summary>Weights of variance 1 / n above the first layer, one rate for all widths.</summary>
    Standard,

    /// <summary>Weights of variance 1, layers above the first divided by the root of n and the last one by another, the rate times n (Yang et al. 2021, Tensor Programs V, in the form of Noci et al. 2024).</summary>
    MuP,
}

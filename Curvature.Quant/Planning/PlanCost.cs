namespace Curvature.Quant.Planning;

/// <summary>What a plan is limited in. All are sums over layers.</summary>
public enum PlanCost
{
    /// <summary>Bits of all weights: parameters times bits. A whole number; limits are given in bytes.</summary>
    Size,

    /// <summary>Bit operations of one sample: multiply-accumulates times bits of the weight times bits of the input (HAWQ-V3: Yao et al. 2021, section 3.4). A whole number.</summary>
    Bops,

    /// <summary>Milliseconds, from the table.</summary>
    Latency,

    /// <summary>Multiply-accumulates times the larger of the bits of weight and input: what NNCF's compression ratio is about. A whole number.</summary>
    MacBits,
}

namespace Curvature.Pruning;

/// <summary>How the weights that stay make up for those that go.</summary>
public enum PruningUpdate
{
    /// <summary>Exactly, for all that go together: <c>-F^{-1} E_Q (F^{-1}_QQ)^{-1} w_Q</c>.</summary>
    Joint,

    /// <summary>
    /// The sum of what each would ask for alone, <c>-F^{-1} sum_i e_i w_i / [F^{-1}]_ii</c>, then zeros in Q: the paper's own code, which counts twice what two weights share.
    /// </summary>
    Independent,

    /// <summary>Not at all: second-order scores without an update (Optimal Brain Damage).</summary>
    None,
}

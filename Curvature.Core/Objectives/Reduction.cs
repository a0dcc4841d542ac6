namespace Curvature.Objectives;

/// <summary>How the loss terms of a data set become one number.</summary>
public enum Reduction
{
    /// <summary><c>sum_b w_b loss_b / sum_b w_b</c>, w_b = the (weighted) number of loss terms of batch b: the mean over all terms.</summary>
    Mean,

    /// <summary><c>sum_b loss_b</c>: the sum over all terms.</summary>
    Sum,
}

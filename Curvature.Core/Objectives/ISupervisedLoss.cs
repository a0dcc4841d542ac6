using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>A loss of model outputs and targets that knows how many terms it averages.</summary>
public interface ISupervisedLoss
{
    /// <summary>The name the command line knows it by, e.g. <c>cross-entropy</c>.</summary>
    string Name { get; }

    /// <summary>Whether <see cref="Value"/> is the mean or the sum over the terms.</summary>
    Reduction Reduction { get; }

    /// <summary>The batch's loss, a differentiable scalar of the outputs' dtype.</summary>
    Tensor Value(Tensor outputs, Tensor targets);

    /// <summary>The (weighted) number of terms that <see cref="Value"/> averages or sums over, from the targets alone.</summary>
    double Terms(Tensor targets);

    /// <summary>Refuses outputs and targets that do not fit each other; reads the values once (a host synchronisation).</summary>
    /// <exception cref="CurvatureException">Wrong shapes or dtypes, labels out of range.</exception>
    void Check(Tensor outputs, Tensor targets);
}

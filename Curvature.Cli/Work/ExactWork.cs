using Curvature.Estimators;
using Curvature.Operators;

namespace Curvature.Cli.Work;

/// <summary>Traces and diagonals from per-sample gradients; of the Hessian only where they are the same, layer by layer.</summary>
internal static class ExactWork
{
    /// <summary>What this way of estimating is called on the command line.</summary>
    public const string Name = "exact";

    public static TraceEstimate Trace(Subject subject, IProgress<ProductProgress> progress, CancellationToken cancellation)
    {
        ExactTraceEstimate exact = Explained(subject, () => new ExactLayerTraces { RequireHessian = subject.IsHessian }
            .Estimate(subject.Objective, subject.Model, progress, cancellation));
        return new TraceEstimate(exact.Total, [.. exact.Layers.Select(layer => new LayerTrace(layer.Name, layer.Parameters, layer.Trace))]);
    }

    public static DiagonalEstimate Diagonal(Subject subject, IProgress<ProductProgress> progress, CancellationToken cancellation) =>
        Explained(subject, () => new GgnDiagonal { RequireHessian = subject.IsHessian }.Estimate(subject.Objective, subject.Model, progress, cancellation));

    /// <summary>Adds to a refusal what the command line has in place of types, and what has not been tried.</summary>
    private static T Explained<T>(Subject subject, Func<T> measure)
    {
        try
        {
            return measure();
        }
        catch (CurvatureException refusal) when (refusal.GetType() == typeof(CurvatureException))
        {
            throw new CurvatureException($"--estimator {Name}: {refusal.Message} Here: {(subject.IsHessian ? "--matrix ggn, " : "")}other --parameters, or another --estimator.", refusal);
        }
    }
}

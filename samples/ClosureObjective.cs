using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Any differentiable function of named tensors is an objective. Here Rosenbrock's valley <c>(1 - x)^2 + 100 (y - x^2)^2</c>, whose Hessian at
/// its minimum (1, 1) is [[802, -400], [-400, 200]]: one steep direction across the valley, one 2,500 times flatter along it.
/// </summary>
internal static class ClosureObjective
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Tensor x = ones(1, dtype: ScalarType.Float64, requires_grad: true);
        using Tensor y = ones(1, dtype: ScalarType.Float64, requires_grad: true);
        var objective = Objective.FromClosure(
            new ParameterSpace([("x", x), ("y", y)]),
            batches: [100.0],
            loss: steepness => ((1 - x).square() + (steepness * (y - x.square()).square())).sum(),
            terms: _ => 1);

        using HessianOperator hessian = new(objective);
        using Tensor dense = hessian.ToDense();
        double[] h = dense.data<double>().ToArray();
        Console.WriteLine($"[[{h[0]:F0}, {h[1]:F0}], [{h[2]:F0}, {h[3]:F0}]]");
        using Eigenpairs pairs = new LanczosEigensolver { Count = 2 }.Solve(hessian, cancellation: cancellation);
        foreach (Eigenvalue pair in pairs.Values)
        {
            Console.WriteLine($"{pair.Value:F5}, residual {pair.Residual:E1}");
        }
    }
}

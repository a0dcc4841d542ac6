using Curvature.Data;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Implicit;

/// <summary>
/// Hyperparameters lambda that a training loss reads and a validation loss judges: <c>min_lambda L_v(w*(lambda), lambda)</c> with <c>w*(lambda) = argmin_w L_t(w, lambda)</c>. By the implicit function
/// theorem the gradient at a minimum of L_t takes no look at how w got there:
/// <c>dL_v/dlambda - (d2 L_t / dw dlambda)^T (H + ridge I)^{-1} dL_v/dw</c>, <c>H = d2 L_t / dw2</c> (Larsen et al. 1996; Lorraine, Vicol and Duvenaud 2020, Optimizing Millions of Hyperparameters by
/// Implicit Differentiation, eq. 2, arXiv:1911.02590).
/// <para>
/// The inverse is exchangeable: any linear solver (<see cref="KnownSolvers"/>: conjugate gradients, MINRES, LSMR, a Neumann series), or any operator that stands for it, such as
/// <see cref="Kronecker.KfacInverse"/> or <see cref="MatrixFree.MfacInverse"/>. Whatever it is, the residual is measured and reported.
/// </para>
/// <para>
/// Cost: the solve, two passes with a gradient (validation; training, differentiated once more in lambda), and an approximate inverse's residual one product. No hyperparameter has its own solve: millions
/// cost as much as one.
/// </para>
/// </summary>
public sealed class BilevelProblem
{
    private readonly HashSet<(int, int)> _checked = [];

    /// <param name="training">L_t, whose loss reads the hyperparameters' tensors, e.g. a closure with <c>lambda.exp() / 2 * w.square().sum()</c> in it; stays the caller's, as do all others.</param>
    /// <param name="validation">L_v over the same parameters w. May read the hyperparameters too.</param>
    /// <param name="hyperparameters">lambda: leaves with <c>requires_grad</c>, none of them in w.</param>
    /// <exception cref="CurvatureException">Different parameters in the two, or a hyperparameter that is frozen, no leaf or itself in w.</exception>
    public BilevelProblem(Objective training, Objective validation, ParameterSpace hyperparameters)
    {
        (Training, Validation, Hyperparameters) = (training, validation, hyperparameters);
        RequireSameParameters();
        for (int i = 0; i < hyperparameters.Parameters.Count; i++)
        {
            Tensor lambda = hyperparameters.Parameters[i];
            if (!lambda.requires_grad || !lambda.is_leaf || training.Parameters.IndexOf(lambda) >= 0)
            {
                throw new CurvatureException(
                    $"The hyperparameter '{hyperparameters.Names[i]}' {(!lambda.requires_grad ? "is frozen" : !lambda.is_leaf ? "is computed from others" : "is one of the parameters that training fits")}. "
                    + "Hyperparameters are leaves of their own with requires_grad: new Parameter(values), read by the training loss.");
            }
        }
    }

    /// <summary>L_t.</summary>
    public Objective Training { get; }

    /// <summary>L_v.</summary>
    public Objective Validation { get; }

    /// <summary>lambda.</summary>
    public ParameterSpace Hyperparameters { get; }

    /// <summary>The hypergradient by a linear solver.</summary>
    /// <param name="solver">Solves <c>(H + ridge I) x = dL_v/dw</c>; one that falls short says so in the result, and what it gave is used (a Neumann series of a few terms is meant to).</param>
    /// <param name="curvature">
    /// Stands for H, e.g. a Gauss-Newton matrix plus what the penalties add; null: the Hessian of <see cref="Training"/>. A curvature operator keeps graphs and sees no change of tensors other than its parameters: one of a loss that
    /// reads the hyperparameters is to be made anew once they change.
    /// </param>
    /// <param name="ridge">Added to H: for a training loss that is flat in places, or curves downwards by less than this.</param>
    /// <param name="preconditioner">An approximation of the inverse, for solvers that take one.</param>
    /// <param name="progress">Told after each iteration of the solver.</param>
    /// <param name="cancellation">Ends between two batches or products.</param>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="CurvatureException">A matrix that the solver is not for, a loss that cannot be differentiated, a ridge that is not finite.</exception>
    /// <exception cref="NonFiniteException">A gradient or product is NaN or infinite.</exception>
    public Hypergradient Gradient(
        ILinearSolver solver,
        LinearOperator? curvature = null,
        double ridge = 0,
        LinearOperator? preconditioner = null,
        IProgress<ProductProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        using LinearOperator? made = curvature is null ? Hessian(cancellation) : null;
        LinearOperator h = Damped(curvature ?? made!, ridge);
        return Assemble(b =>
        {
            using LinearSolution solution = solver.Solve(h, b, preconditioner, progress, cancellation);
            return new Solve(solution.X.clone(), solution.Residual, solution.Converged, solution.Products, solution.Remark);
        }, cancellation);
    }

    /// <summary>The hypergradient by an operator that stands for <c>(H + ridge I)^{-1}</c>: KFAC's or M-FAC's inverse, a dense one, <see cref="InverseOperator"/>.</summary>
    /// <param name="inverse"><c>[P, P]</c>. Damping of its own is the caller's to match with <paramref name="ridge"/>.</param>
    /// <param name="curvature">What the residual is measured against; null: the Hessian of <see cref="Training"/>.</param>
    /// <param name="ridge">Added to it.</param>
    /// <param name="tolerance">The residual up to which the result counts as converged.</param>
    /// <param name="cancellation">Ends between two batches or products.</param>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="CurvatureException">A wrong shape, a loss that cannot be differentiated, a ridge that is not finite.</exception>
    /// <exception cref="NonFiniteException">A gradient or product is NaN or infinite.</exception>
    public Hypergradient Gradient(
        LinearOperator inverse, LinearOperator? curvature = null, double ridge = 0, double tolerance = 1e-5, CancellationToken cancellation = default)
    {
        using LinearOperator? made = curvature is null ? Hessian(cancellation) : null;
        LinearOperator h = Damped(curvature ?? made!, ridge);
        return Assemble(b =>
        {
            Tensor x = inverse.Apply(b);
            double length = Precision.Norm(b), residual = length == 0 ? 0 : Precision.Norm(b.sub(h.Apply(x))) / length;
            string? remark = residual <= tolerance ? null : FormattableString.Invariant(
                $"{inverse.GetType().Name} is an approximation: the residual is {residual:g3}, above {tolerance:g3}. A linear solver, with this as its preconditioner, brings it down.");
            return new Solve(x, residual, remark is null, 1, remark);
        }, cancellation);
    }

    /// <summary>
    /// <c>(d2 L_t / dw dlambda)^T v</c>, <c>[h]</c> in the caller's scope: the derivative in lambda of <c>v^T dL_t/dw</c>. One pass over the training data, about three gradients.
    /// </summary>
    /// <param name="v"><c>[P]</c>.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">A wrong shape, or a loss that cannot be differentiated twice.</exception>
    public Tensor MixedProduct(Tensor v, CancellationToken cancellation = default)
    {
        (Tensor mixed, Tensor gradient) = Mixed(v, cancellation);
        gradient.Dispose();
        return mixed;
    }

    private HessianOperator Hessian(CancellationToken cancellation) => new(Training, new CurvatureOptions { Cancellation = cancellation });

    private LinearOperator Damped(LinearOperator curvature, double ridge)
    {
        if (!double.IsFinite(ridge) || curvature.Rows != Training.Parameters.Count || curvature.Columns != curvature.Rows)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected a finite ridge and a curvature of {Training.Parameters.Count} x {Training.Parameters.Count}; got {ridge} and {curvature.Rows} x {curvature.Columns}."));
        }

        return ridge == 0 ? curvature : curvature.Shift(ridge);
    }

    private Hypergradient Assemble(Func<Tensor, Solve> solve, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        (Tensor b, Tensor direct) = ValidationGradients(cancellation);
        Solve solved = solve(b);
        (Tensor mixed, Tensor slope) = Mixed(solved.X, cancellation);
        return new Hypergradient(direct.sub(mixed), direct, solved.X)
        {
            Residual = solved.Residual,
            Converged = solved.Converged,
            Remark = solved.Remark,
            Products = solved.Products,
            TrainingGradientNorm = Precision.Norm(slope),
        };
    }

    /// <summary><c>dL_v/dw</c> and <c>dL_v/dlambda</c>, by one pass.</summary>
    private (Tensor InParameters, Tensor InHyperparameters) ValidationGradients(CancellationToken cancellation)
    {
        ParameterSpace w = Validation.Parameters;
        (Tensor inW, Tensor inLambda) = (Zeros(w), Zeros(Hyperparameters));
        int split = w.Parameters.Count;
        Sum(Validation, inW, inLambda, batch =>
        {
            Tensor?[] parts = Gradients.Of(Loss(batch), [.. w.Parameters, .. Hyperparameters.Parameters], createGraph: false);
            return (parts[..split], parts[split..]);
        }, cancellation);
        RequireFinite(Validation, inW, inLambda, "gradient of the validation loss");
        return (inW, inLambda);
    }

    /// <summary><c>d (v^T dL_t/dw) / dlambda</c> and <c>dL_t/dw</c>, by one pass, in the caller's scope.</summary>
    private (Tensor Mixed, Tensor Gradient) Mixed(Tensor v, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        ParameterSpace w = Training.Parameters;
        IReadOnlyList<Tensor> direction = w.Split(v.detach());
        (Tensor mixed, Tensor gradient) = (Zeros(Hyperparameters), Zeros(w));
        Sum(Training, gradient, mixed, batch =>
        {
            Tensor?[] g = Gradients.Of(Loss(batch), w.Parameters, createGraph: true);
            return (g, Gradients.VectorJacobianProduct(g, direction, Hyperparameters.Parameters, keepGraph: false));
        }, cancellation);
        RequireFinite(Training, gradient, mixed, "mixed second derivative of the training loss");
        return (mixed.MoveToOuterDisposeScope(), gradient.MoveToOuterDisposeScope());
    }

    /// <summary>Adds the batches' parts in parameters and hyperparameters up to what they are of the whole objective, its L2 term in the first.</summary>
    private void Sum(
        Objective objective, Tensor inParameters, Tensor inHyperparameters, Func<ObjectiveBatch, (Tensor?[] InParameters, Tensor?[] InHyperparameters)> parts, CancellationToken cancellation)
    {
        double terms = 0;
        objective.Together(
            () =>
            {
                EnsureDifferentiable();
                foreach (ObjectiveBatch batch in objective.PassOfShard(cancellation))
                {
                    using DisposeScope scope = NewDisposeScope();
                    (Tensor?[] w, Tensor?[] lambda) = parts(batch);
                    objective.Accumulate(inParameters, w, batch.Terms);
                    Hyperparameters.Accumulate(inHyperparameters, lambda, batch.Terms);
                    terms += batch.Terms;
                }
            },
            cancellation);
        objective.Ranks.Sum(inParameters);
        objective.Ranks.Sum(inHyperparameters);
        terms = objective.AllTerms(terms);
        if (objective.Reduction == Reduction.Mean)
        {
            inParameters.div_(terms);
            inHyperparameters.div_(terms);
        }

        if (objective.L2 != 0)
        {
            using Tensor theta = objective.Parameters.Snapshot();
            inParameters.add_(theta, objective.L2);
        }
    }

    private static Tensor Loss(ObjectiveBatch batch)
    {
        using IDisposable grad = enable_grad();
        return batch.Loss();
    }

    private void RequireFinite(Objective objective, Tensor inParameters, Tensor inHyperparameters, string what)
    {
        objective.CheckFinite(inParameters, what);
        IReadOnlyList<Tensor> parts = Hyperparameters.Split(inHyperparameters);
        for (int i = 0; i < parts.Count; i++)
        {
            if (!Finite.Everywhere(parts[i]))
            {
                throw new NonFiniteException($"The {what} is not finite at the hyperparameter '{Hyperparameters.Names[i]}': keep it in its range (its logarithm as the hyperparameter stays positive).");
            }
        }
    }

    /// <summary>Guarded first derivatives in parameters and hyperparameters together: see <see cref="Gradients.Check"/>.</summary>
    private void EnsureDifferentiable()
    {
        if (_checked.Add((Training.Mode, Validation.Mode)))
        {
            Training.EnsureDifferentiable(Hyperparameters.Parameters, twice: true);
            Validation.EnsureDifferentiable(Hyperparameters.Parameters, twice: false);
        }
    }

    private void RequireSameParameters()
    {
        ParameterSpace t = Training.Parameters, v = Validation.Parameters;
        bool same = t.Parameters.Count == v.Parameters.Count && Enumerable.Range(0, t.Parameters.Count).All(i => v.IndexOf(t.Parameters[i]) == i);
        if (!same)
        {
            throw new CurvatureException(
                $"Training and validation loss are functions of the same parameters in the same order; got [{string.Join(", ", t.Names)}] and [{string.Join(", ", v.Names)}]. "
                + "Make one ParameterSpace and give it to both objectives.");
        }
    }

    private static Tensor Zeros(ParameterSpace space) => zeros(space.Count, space.DType, space.Device);

    /// <summary>What came of the linear system.</summary>
    private sealed record Solve(Tensor X, double Residual, bool Converged, int Products, string? Remark);
}

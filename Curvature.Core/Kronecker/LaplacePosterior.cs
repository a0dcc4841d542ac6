using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// The Laplace approximation of a network's posterior: a normal distribution around the parameters found, <c>N(theta, Sigma)</c>, <c>Sigma = (N B + tau I)^{-1}</c>, for the
/// prior <c>N(0, I / tau)</c> and a curvature approximation B of the mean loss over N terms (of the summed loss: N = 1). B is KFAC, EKFAC or a diagonal; over the last layer's parameters alone it
/// is the last-layer approximation.
/// <para>
/// The loss is taken for the negative log-likelihood of a term, in nats: cross-entropy is; squared error is that of <c>N(z, 1/2)</c> short of <c>log(pi) / 2</c> a term, which
/// <see cref="LogEvidence"/> is then short of too. theta should be a minimum of <c>N L + (tau/2) |theta|^2</c>: the approximation expands around it.
/// </para>
/// <para>
/// A snapshot at the parameters and the curvature it was made with, except for the outputs' gradients, which are taken when asked for. Dispose it to release the covariance.
/// MacKay 1992, A Practical Bayesian Framework for Backpropagation Networks, sections 2-3 (evidence); Ritter, Botev, Barber 2018, A Scalable Laplace Approximation for Neural Networks
/// (Kronecker factors; here with the damping exact, by eigenvalues); Immer, Korzepa, Bauer 2021, Improving predictions of Bayesian neural nets via local linearization, section 3.
/// </para>
/// </summary>
public sealed class LaplacePosterior : IDisposable
{
    private const double LargestRange = 1e12;

    private readonly LayerwiseOperator _curvature;
    private readonly double _terms;
    private readonly double _squaredNorm;
    private KfacInverse? _inverse;

    /// <param name="curvature">B, without L2 term; stays the caller's and must live as long.</param>
    /// <param name="objective">L over the training data, with the same parameters and no L2 term: the prior takes its place.</param>
    /// <param name="priorPrecision">tau, positive.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">A precision that is not positive, an L2 term, a frozen parameter, other parameters than the curvature's.</exception>
    public LaplacePosterior(LayerwiseOperator curvature, Objective objective, double priorPrecision = 1, CancellationToken cancellation = default)
    {
        if (objective.L2 != 0)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"The prior stands for weight decay: make the objective with l2: 0 and give its precision, for a mean loss the number of terms times l2 ({objective.L2})."));
        }

        if (!objective.Parameters.Names.SequenceEqual(curvature.Parameters.Names))
        {
            throw new CurvatureException("The curvature has other parameters than the objective: gather both over the same ParameterSpace.");
        }

        if (objective.Parameters.Parameters.Any(parameter => !parameter.requires_grad))
        {
            throw new CurvatureException("A frozen parameter (requires_grad is false) is a constant and has no prior: make the ParameterSpace of the others.");
        }

        (_curvature, PriorPrecision) = (curvature, Positive(priorPrecision));
        _terms = Terms(objective, cancellation);
        LogLikelihood = -_terms * objective.Value(cancellation);
        using Tensor theta = objective.Parameters.Snapshot();
        _squaredNorm = Math.Pow(Precision.Norm(theta), 2);
    }

    private LaplacePosterior(LaplacePosterior other, double priorPrecision) =>
        (_curvature, _terms, _squaredNorm, LogLikelihood, PriorPrecision) = (other._curvature, other._terms, other._squaredNorm, other.LogLikelihood, Positive(priorPrecision));

    /// <summary>tau.</summary>
    public double PriorPrecision { get; }

    /// <summary><c>-N L(theta)</c>, in nats.</summary>
    public double LogLikelihood { get; }

    /// <summary>
    /// The data's log-probability with the parameters integrated out,
    /// <c>log p(D) = -N L - (tau/2) |theta|^2 + (P/2) log tau - (1/2) log det(N B + tau I)</c>, in nats: what models and priors are compared by, without held-out data (a posterior over some of the parameters only with others over the same ones: the rest has no prior).
    /// Cost: the eigenvalues of each layer's factors.
    /// </summary>
    public double LogEvidence => LogEvidenceAt(PriorPrecision);

    /// <summary>Sigma, <c>[P, P]</c>; this posterior's to dispose. Made when first asked for, by an eigendecomposition of each factor.</summary>
    public LinearOperator Covariance => (1 / _terms) * (_inverse ??= _curvature.Inverse(PriorPrecision / _terms, DampingRule.ExactEigen));

    /// <summary>The posterior with another prior; nothing is gathered anew. The caller's to dispose.</summary>
    /// <param name="priorPrecision">tau, positive.</param>
    /// <exception cref="CurvatureException">A precision that is not positive.</exception>
    public LaplacePosterior WithPrior(double priorPrecision) => new(this, priorPrecision);

    /// <summary>
    /// The posterior with the prior that makes the evidence largest (MacKay's type-II maximum likelihood), theta and B held: a golden-section search in log tau over twelve decades around
    /// the present one, to 1e-3 relative, some 40 evidences. The caller's to dispose.
    /// </summary>
    public LaplacePosterior WithBestPrior()
    {
        double middle = Math.Log(PriorPrecision), reach = Math.Log(LargestRange) / 2;
        return WithPrior(Math.Exp(MathNet.Numerics.FindMinimum.OfScalarFunctionConstrained(log => -LogEvidenceAt(Math.Exp(log)), middle - reach, middle + reach, 1e-3)));
    }

    /// <summary>
    /// The covariance of each row's outputs under the network linearised at theta, <c>J_n Sigma J_n^T</c>, <c>[n, C, C]</c> with C the entries of a row's outputs; in the caller's
    /// scope. Cost: for each row C backward passes of that row alone and C products with Sigma; memory C vectors.
    /// </summary>
    /// <param name="forward">The model on a batch of one row, e.g. <c>model.call</c>; deterministic.</param>
    /// <param name="inputs"><c>[n, ...]</c>.</param>
    public Tensor OutputCovariance(Func<Tensor, Tensor> forward, Tensor inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] rows = [.. Enumerable.Range(0, (int)inputs.shape[0]).Select(n =>
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor J = Jacobian(forward, inputs.narrow(0, n, 1));
            using IDisposable noGrad = no_grad();
            return J.mm(Covariance.Apply(J.t())).MoveToOuterDisposeScope();
        })];
        return stack(rows).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => _inverse?.Dispose();

    // log det(N B + tau I) = P log N + log det(B + (tau / N) I)
    private double LogEvidenceAt(double tau) =>
        LogLikelihood
        - (tau / 2 * _squaredNorm)
        + (_curvature.Rows / 2.0 * Math.Log(tau / _terms))
        - (_curvature.LogDeterminant(tau / _terms) / 2);

    /// <summary>J <c>[C, P]</c>, a backward pass a row.</summary>
    private Tensor Jacobian(Func<Tensor, Tensor> forward, Tensor row)
    {
        Tensor z;
        using (enable_grad())
        {
            z = forward(row);
        }

        using IDisposable noGrad = no_grad();
        ParameterSpace theta = _curvature.Parameters;
        Tensor units = eye(z.numel(), dtype: z.dtype, device: z.device);
        return stack(Enumerable.Range(0, (int)z.numel()).Select(c =>
        {
            Tensor?[] parts = Gradients.VectorJacobianProduct([z], [units.select(0, c).reshape(z.shape)], theta.Parameters);
            return ParameterSpace.Join([.. parts.Select((part, i) => part?.reshape(-1) ?? zeros(theta.Parameters[i].numel(), theta.DType, theta.Device))]);
        }));
    }

    /// <summary>N: the number of terms of a mean, 1 for a sum.</summary>
    private static double Terms(Objective objective, CancellationToken cancellation) => objective.Reduction == Reduction.Mean ? objective.TermsOfAll(cancellation) : 1;

    private static double Positive(double precision) => double.IsFinite(precision) && precision > 0
        ? precision
        : throw new CurvatureException(FormattableString.Invariant($"A prior's precision is positive and finite; got {precision}."));
}
